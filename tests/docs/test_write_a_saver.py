"""docs/how-to/write-a-saver.md builds a saver that passes the whole conformance kit, and says what holds it to what."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from perdure.ports import Saver
from perdure.testing.conformance import CAPABILITIES, DurableSaverConformance

PAGE = (Path(__file__).parents[2] / "docs/how-to/write-a-saver.md").read_text(encoding="utf-8")
PART = re.compile(r"^```python title=(?P<file>\S+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"^```text\n(?P<table> +TestJournalSaver\n.*?)^```$", re.MULTILINE | re.DOTALL)


def write_files(folder: Path) -> list[str]:
    """Write the page's files, each put together from its parts, and return their names."""
    parts: dict[str, list[str]] = {}
    for found in PART.finditer(PAGE):
        parts.setdefault(found["file"], []).append(found["code"])
    for name, codes in parts.items():
        (folder / name).write_text("\n".join(codes), encoding="utf-8")
    return list(parts)


def run_kit(folder: Path) -> tuple[str, Any]:
    """Run pytest as the page says (without slow strangers among the plugins); return its output and its report."""
    strangers = [f"-pno:{name}" for name in ("anyio", "hypothesispytest", "langsmith_plugin", "randomly", "xdist")]
    words = ["test_journal.py", "--conformance-report", "report.json"]
    command = [sys.executable, "-m", "pytest", *strangers, "-W", "error", "--color=no", *words]
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("PERDURE_", "PYTEST_"))}
    done = subprocess.run(command, cwd=folder, env=plain, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, orjson.loads((folder / "report.json").read_bytes())


def test_the_saver_of_the_page_passes_the_kit(tmp_path: Path) -> None:
    """All clauses, with the table that the page shows; and in the file every capability has passed."""
    assert write_files(tmp_path) == ["journal.py", "test_journal.py"]
    output, report = run_kit(tmp_path)
    shown = TABLE.search(PAGE)
    assert shown is not None
    assert shown["table"] in output
    (saver,) = report["savers"].values()
    assert saver["result"] == "passed"
    assert {name: one["result"] for name, one in saver["capabilities"].items()} == dict.fromkeys(CAPABILITIES, "passed")


def rows() -> list[list[str]]:
    """Return the table of methods: what stands in code in each of the three columns."""
    lines = re.findall(r"^\| (`.*) \|$", PAGE, flags=re.MULTILINE)
    return [re.findall(r"`([^`]+)`", line.rpartition(" | ")[2]) for line in lines]


def test_the_page_names_every_method_of_the_port() -> None:
    """Sync ones; their async twins come from `SyncSaver`."""
    methods = {name for name in Saver.__abstractmethods__ if f"a{name}" in Saver.__abstractmethods__}
    table = PAGE.partition("## Which clause checks what")[2]
    assert {name for name in methods if not re.search(rf"`{name}\b", table)} == set()


@pytest.mark.parametrize("named", rows(), ids=lambda named: named[0])
def test_the_clauses_that_the_page_names_exist(named: list[str]) -> None:
    """Capabilities and clauses are called what the page calls them."""
    assert [one for one in named if one not in CAPABILITIES and not hasattr(DurableSaverConformance, one)] == []


def test_the_page_names_every_capability_of_the_kit() -> None:
    """But for none."""
    assert set(CAPABILITIES) - {one for named in rows() for one in named} == set()
