"""What the conformance kit found about savers: which clauses each was held to, and what became of their cases.

A saver is named by its test class; a capability is a group of clauses; a clause is a test function; a case is one of
its runs (sync, async, one parameter). Pure data; what it adds up to is in `report`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

Outcome: TypeAlias = Literal["", "passed", "failed", "replaced"]
"""`""`: it did not run, or was skipped. `replaced`: the saver's author wrote another clause in its place."""


class Case(NamedTuple):
    """One run of a clause, to be had or had."""

    saver: str
    capability: str
    clause: str
    outcome: Outcome = ""


@dataclass
class Findings:
    """All cases, and all clauses that should have some."""

    offered: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """saver → capability → clauses."""
    cases: dict[str, Case] = field(default_factory=dict)
    """node id → case."""

    def expect(self, node: str, case: Case, offers: Mapping[str, Iterable[str]]) -> None:
        """Note a case that was collected, and everything that its saver offers."""
        self.offered.setdefault(case.saver, {capability: [*clauses] for capability, clauses in offers.items()})
        self.cases.setdefault(node, case)

    def note(self, node: str, *, failed: bool, passed: bool) -> None:
        """Note what became of a case, once for each of its phases; a failure in one of them stays."""
        case = self.cases.get(node)
        if case is None or case.outcome in ("failed", "replaced"):
            return
        if failed or passed:
            self.cases[node] = case._replace(outcome="failed" if failed else "passed")

    def merge(self, plain: Mapping[str, Any]) -> None:
        """Add what another process found, as its `plain` gave it."""
        self.offered.update(plain["offered"])
        for node, fields in plain["cases"].items():
            case = Case(*fields)
            if case.outcome or node not in self.cases:
                self.cases[node] = case

    def plain(self) -> dict[str, Any]:
        """Return all of this as built-in types."""
        return {"offered": self.offered, "cases": {node: list(case) for node, case in self.cases.items()}}
