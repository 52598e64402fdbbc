"""docs/reference/conformance.md names what the conformance kit has: capabilities, results, bounds, keys."""

import re
from pathlib import Path
from typing import Any, get_args

import orjson

from perdure.testing.conformance import CAPABILITIES
from perdure.testing.conformance.large import WALK_BYTES, WINDOW_BYTES
from perdure.testing.findings import Case, Findings
from perdure.testing.report import Report, Result
from perdure.testing.walker import EVENTS, WINDOW
from perdure.testing.watching import PATIENCE

PAGE = (Path(__file__).parents[2] / "docs/reference/conformance.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_every_capability_has_a_row() -> None:
    """In the order of the table that pytest shows."""
    assert tuple(re.findall(r"^\| `([^`]+)` \|", section("Capabilities"), flags=re.MULTILINE)) == CAPABILITIES


def test_every_result_has_a_row() -> None:
    """As it stands in the file."""
    rows = re.findall(r"^\| `[^`]+` \| `([^`]+)` \|", section("The report"), flags=re.MULTILINE)
    assert tuple(rows) == get_args(Result)


def keys(plain: Any) -> set[str]:
    """Return the names of all fields; what stands below a saver's or a capability's name counts once."""
    if not isinstance(plain, dict):
        return set()
    named = {key for key in plain if key.isidentifier() and key not in CAPABILITIES}
    return named.union(*(keys(value) for value in plain.values()))


def test_the_example_has_the_reports_keys() -> None:
    """And each of them is explained."""
    findings = Findings()
    findings.expect("a::B::test_c", Case("a::B", "tailing", "test_c"), {"tailing": ["test_c"]})
    example = re.search(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    assert example is not None
    named = keys(orjson.loads(example[1]))
    assert named == keys(orjson.loads(Report(findings, CAPABILITIES, "1").json()))
    assert named - set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", section("The report"))))) == set()


def test_the_bounds_are_the_kits() -> None:
    """Numbers in prose are those that clauses compare with."""
    large = next(line for line in PAGE.splitlines() if line.startswith("| `large-threads`"))
    bounds = [WINDOW, EVENTS, WINDOW_BYTES // 2**20, WALK_BYTES // 2**20]
    assert [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", large)] == bounds
    assert f"up to {PATIENCE:.0f} seconds" in PAGE
