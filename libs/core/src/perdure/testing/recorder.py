"""The pytest plugin that keeps record of clauses; `perdure_pytest` registers it when the first one was collected."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from perdure.testing.conformance import CAPABILITIES
from perdure.testing.findings import Case, Findings, Outcome
from perdure.testing.report import Report


class Recorder:
    """Records what becomes of clauses; a worker of pytest-xdist hands that over, any other process reports it."""

    NAME: ClassVar[str] = "perdure-conformance"

    def __init__(self, config: pytest.Config, output: str, version: str) -> None:
        self._config = config
        self._output = output
        self._version = version
        self._findings = Findings()

    def expect(self, items: list[pytest.Item]) -> None:
        """Note all clauses among collected items."""
        for item in items:
            if isinstance(item, pytest.Function) and item.cls is not None:
                self._expect(item, item.cls)

    def _expect(self, item: pytest.Function, suite: type) -> None:
        offers = dict(_offers(suite))
        clause = item.originalname
        for capability, clauses in offers.items():
            if clause in clauses:
                outcome: Outcome = "" if _is_ours(suite, clause) else "replaced"
                place = item.getparent(pytest.Class)
                assert place is not None
                case = Case(place.nodeid, capability, clause, outcome)
                self._findings.expect(item.nodeid, case, offers)

    def merge(self, plain: dict[str, Any]) -> None:
        """Add what another process found."""
        self._findings.merge(plain)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a phase of a case. It passed when its call did, unless another phase fails."""
        self._findings.note(report.nodeid, failed=report.failed, passed=report.passed and report.when == "call")

    def pytest_sessionfinish(self) -> None:
        """Hand over, or write, what was found."""
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[self._output] = self._findings.plain()
            return
        wanted = self._config.getoption("conformance_report")
        if wanted:
            path = Path(self._config.invocation_params.dir, wanted)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._report().json())

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Show the report, if clauses ran."""
        if any(case.outcome for case in self._findings.cases.values()):
            terminalreporter.section("perdure: conformance of savers")
            for line in self._report().table(self._config.get_terminal_writer().fullwidth):
                terminalreporter.line(line.rstrip())

    def _report(self) -> Report:
        return Report(self._findings, CAPABILITIES, self._version)


def _offers(suite: type) -> Iterator[tuple[str, list[str]]]:
    """Yield the capabilities of a test class, each with its clauses."""
    found: dict[str, list[str]] = {}
    for group in suite.__mro__:
        if group.__dict__.get("capability"):
            clauses = [name for name in vars(group) if name.startswith("test_")]
            found.setdefault(group.__dict__["capability"], []).extend(clauses)
    yield from found.items()


def _is_ours(suite: type, clause: str) -> bool:
    return any(
        vars(group).get(clause) is getattr(suite, clause) for group in suite.__mro__ if "capability" in vars(group)
    )
