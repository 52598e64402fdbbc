"""What findings add up to: results, a table, JSON."""

import orjson
import pytest

from perdure.testing.findings import Case, Findings
from perdure.testing.report import Report

KIT = ["reading", "tailing", "crash"]
OFFERS = {"reading": ["test_a", "test_b"], "tailing": ["test_c"]}
GOOD, SLOW = "tests/test_good.py::TestGood", "tests/test_slow.py::TestSlow"


def found(saver: str = GOOD, **outcomes: str) -> Findings:
    """Return what was found about a saver whose cases are named by their clauses and ended so."""
    findings = Findings()
    for name, outcome in outcomes.items():
        capability = "tailing" if name.startswith("c") else "reading"
        findings.expect(f"{saver}::{name}", Case(saver, capability, f"test_{name[0]}"), OFFERS)
        findings.note(f"{saver}::{name}", failed=outcome == "failed", passed=outcome == "passed")
    return findings


def result(findings: Findings, capability: str = "reading") -> str:
    return Report(findings, KIT, "1").savers[GOOD][capability].result


def test_capability_passed_when_every_case_of_every_clause_did() -> None:
    """One that failed makes it fail, one that is missing makes it incomplete; none was offered without clauses."""
    assert result(found(a="passed", b="passed")) == "passed"
    assert result(found(a="passed", b="failed")) == "failed"
    assert result(found(a="passed", b="")) == "incomplete"
    assert result(found(a="passed")) == "incomplete"
    assert result(found(a="passed", b="passed"), "tailing") == "incomplete"
    assert result(found(a="passed", b="passed"), "crash") == "not offered"


def test_failure_in_any_phase_stays() -> None:
    """A case whose setup, teardown or first try failed did not pass."""
    findings = found(a="passed", b="failed")
    node = f"{GOOD}::b"
    findings.note(node, failed=False, passed=True)
    assert findings.cases[node].outcome == "failed"
    findings.note(f"{GOOD}::a", failed=True, passed=False)
    assert findings.cases[f"{GOOD}::a"].outcome == "failed"


def test_clause_that_was_replaced_did_not_pass() -> None:
    """Whatever the author's own clause says."""
    findings = found(a="passed")
    findings.expect(f"{GOOD}::b", Case(GOOD, "reading", "test_b", "replaced"), OFFERS)
    findings.note(f"{GOOD}::b", failed=False, passed=True)
    assert result(findings) == "incomplete"
    assert Report(findings, KIT, "1").savers[GOOD]["reading"].missing == (f"{GOOD}::b",)


def test_tests_of_others_are_not_noted() -> None:
    """Only what was expected."""
    findings = found(a="passed")
    findings.note("tests/test_other.py::test_x", failed=True, passed=False)
    assert list(findings.cases) == [f"{GOOD}::a"]


def test_workers_findings_are_merged() -> None:
    """Each worker collects all cases and runs some: what any of them saw counts."""
    one, other = found(a="passed", b=""), found(a="", b="failed")
    whole = Findings()
    whole.merge(orjson.loads(orjson.dumps(one.plain())))
    whole.merge(orjson.loads(orjson.dumps(other.plain())))
    assert whole == found(a="passed", b="failed")


def test_json_has_the_documented_keys() -> None:
    """Each saver with a result and all capabilities."""
    report = orjson.loads(Report(found(a="passed", b="failed", c="passed"), KIT, "0.1").json())
    failed = {"result": "failed", "passed": 1, "failed": 1, "missing": 0, "failures": [f"{GOOD}::b"]}
    passed = {"result": "passed", "passed": 1, "failed": 0, "missing": 0, "failures": []}
    nothing = {"result": "not offered", "passed": 0, "failed": 0, "missing": 0, "failures": []}
    capabilities = {"reading": failed, "tailing": passed, "crash": nothing}
    savers = {GOOD: {"result": "failed", "capabilities": capabilities}}
    assert report == {"format": 1, "perdure": "0.1", "savers": savers}


def two() -> Report:
    findings = found(a="passed", b="passed", c="passed")
    findings.merge(found(SLOW, a="failed", b="passed").plain())
    return Report(findings, KIT, "1")


def test_table_has_a_row_per_capability_and_a_column_per_saver() -> None:
    """The last row adds up what is offered."""
    assert list(two().table(80)) == [
        "                         TestGood        TestSlow",
        "reading                  2 passed   1 of 2 failed",
        "tailing                  1 passed      0 of 1 ran",
        "crash                 not offered     not offered",
        "all that is offered        passed          failed",
    ]


@pytest.mark.parametrize("width", [40, 10])
def test_table_that_is_too_wide_is_parted(width: int) -> None:
    """Columns that do not fit beside the others stand below; one column is never left out."""
    lines = list(two().table(width))
    assert lines[5] == ""
    assert [line.split()[0] for line in (lines[0], lines[6])] == ["TestGood", "TestSlow"]
    assert len(lines) == 11


def test_savers_of_one_name_are_told_apart() -> None:
    """By their files, where their classes' names are the same."""
    findings = found("a.py::TestIt", a="passed")
    findings.merge(found("b.py::TestIt", a="passed").plain())
    assert next(iter(Report(findings, KIT, "1").table(80))).split() == ["a.py::TestIt", "b.py::TestIt"]


def test_no_clause_is_an_empty_report() -> None:
    """Where a file was asked for and nothing ran."""
    assert orjson.loads(Report(Findings(), KIT, "").json())["savers"] == {}
