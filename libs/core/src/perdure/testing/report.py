"""What findings add up to: a result per saver and capability, as a table for people and as JSON for programs.

The JSON's keys are stable and described in `docs/reference/conformance.md`: a change of their meaning raises `FORMAT`.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

import orjson

from perdure.testing.findings import Findings

FORMAT = 1
Result: TypeAlias = Literal["passed", "failed", "incomplete", "not offered"]
"""`incomplete`: nothing failed, but not every case of every clause ran."""
GAP = 3
"""Spaces between columns."""


class Capability(NamedTuple):
    """What became of one capability of one saver."""

    result: Result
    passed: int = 0
    failures: tuple[str, ...] = ()
    """Node ids of the cases that failed."""
    missing: tuple[str, ...] = ()
    """Node ids of the cases that did not run, and names of clauses without any case."""

    def cell(self) -> str:
        """Return this in a few words."""
        total = self.passed + len(self.failures) + len(self.missing)
        if self.result == "failed":
            return f"{len(self.failures)} of {total} failed"
        if self.result == "incomplete":
            return f"{self.passed} of {total} ran"
        return f"{self.passed} passed" if self.result == "passed" else self.result


NOT_OFFERED = Capability("not offered")


class Report:
    """The result of every capability of every saver."""

    def __init__(self, findings: Findings, kit: Sequence[str], version: str) -> None:
        """Add findings up; `kit` names all capabilities there are, in the order in which they are shown."""
        self._version = version
        self.savers = {
            saver: {name: _add_up(findings, saver, name) for name in kit} for saver in sorted(findings.offered)
        }

    def json(self) -> bytes:
        """Return the report for programs."""
        savers = {
            saver: {
                "result": overall(list(results.values())),
                "capabilities": {
                    name: {
                        "result": one.result,
                        "passed": one.passed,
                        "failed": len(one.failures),
                        "missing": len(one.missing),
                        "failures": one.failures,
                    }
                    for name, one in results.items()
                },
            }
            for saver, results in self.savers.items()
        }
        whole = {"format": FORMAT, "perdure": self._version, "savers": savers}
        return orjson.dumps(whole, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    def table(self, width: int) -> Iterator[str]:
        """Yield the lines of a table, a row per capability and a column per saver, in parts not wider than `width`."""
        columns = [_column(title, self.savers[saver]) for saver, title in _titles(list(self.savers)).items()]
        first = _aligned(["", *next(iter(self.savers.values()), {}), "all that is offered"])
        part = first
        for column in columns:
            wider = [f"{line}{cell}" for line, cell in zip(part, column, strict=True)]
            if len(wider[0]) > width and part is not first:
                yield from [*part, ""]
                wider = [f"{line}{cell}" for line, cell in zip(first, column, strict=True)]
            part = wider
        yield from part


def overall(results: Sequence[Capability]) -> Result:
    """Return one result for several capabilities: the worst of those that are offered."""
    found = {one.result for one in results}
    ranked: tuple[Result, ...] = ("failed", "incomplete", "passed")
    return next((result for result in ranked if result in found), "not offered")


def _add_up(findings: Findings, saver: str, capability: str) -> Capability:
    clauses = findings.offered[saver].get(capability)
    if clauses is None:
        return NOT_OFFERED
    place = saver, capability
    cases = {node: case for node, case in findings.cases.items() if (case.saver, case.capability) == place}
    met = {case.clause for case in cases.values()}
    failures = [node for node, case in cases.items() if case.outcome == "failed"]
    passed = sum(case.outcome == "passed" for case in cases.values())
    missing = [node for node, case in cases.items() if case.outcome in ("", "replaced")]
    missing += [clause for clause in clauses if clause not in met]
    result: Result = "failed" if failures else "incomplete" if missing else "passed"
    return Capability(result, passed, tuple(sorted(failures)), tuple(sorted(missing)))


def _titles(savers: list[str]) -> dict[str, str]:
    """Return savers' names without their files, where that is enough to tell them apart."""
    short = [saver.rpartition("::")[2] for saver in savers]
    return {saver: name if short.count(name) == 1 else saver for saver, name in zip(savers, short, strict=True)}


def _column(title: str, results: dict[str, Capability]) -> list[str]:
    cells = [one.cell() for one in results.values()]
    return _aligned([title, *cells, overall(list(results.values()))], right=True)


def _aligned(cells: list[str], *, right: bool = False) -> list[str]:
    width = max(map(len, cells))
    return [" " * GAP + cell.rjust(width) if right else cell.ljust(width) for cell in cells]
