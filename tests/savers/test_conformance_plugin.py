"""The pytest plugin as a third party meets it: installed with perdure, in a pytest run of its own."""

import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

SUITE = '''
import pytest
from perdure.testing.conformance.listing import ListClauses
from perdure.testing.conformance.naming import NameClauses
from perdure_memory import InMemorySaver


class Unordered(InMemorySaver):
    def list_threads(self, *, after="", limit=100):
        return super().list_threads(after=after, limit=limit)[::-1]


class TestGood(ListClauses, NameClauses):
    @pytest.fixture
    def make_saver(self):
        return InMemorySaver


class TestUnordered(ListClauses):
    @pytest.fixture
    def make_saver(self):
        return Unordered


class TestSly(ListClauses):
    @pytest.fixture
    def make_saver(self):
        return Unordered

    def test_order_is_by_id_not_by_age(self):
        """Nothing to see here."""

    test_list_pages_join_without_gap_or_repeat = None


def test_beside():
    """No clause."""
'''
PLAIN = """
import sys

def test_perdure_is_not_imported():
    assert [name for name in sys.modules if name.partition(".")[0] == "perdure"] == []
    assert "perdure_pytest" in sys.modules
"""


class Run(NamedTuple):
    """What a pytest run left."""

    code: int
    output: str
    report: Any


def run(folder: Path, text: str, *options: str) -> Run:
    """Run pytest on one test file, as its author does: with the plugins that are installed, but for slow strangers."""
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    strangers = [f"-pno:{name}" for name in ("anyio", "hypothesispytest", "langsmith_plugin", "randomly")]
    command = [sys.executable, "-m", "pytest", *strangers, "-W", "error", "--color=no", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    path = folder / "out/report.json"
    return Run(done.returncode, done.stdout + done.stderr, orjson.loads(path.read_bytes()) if path.exists() else None)


REPORT = "--conformance-report=out/report.json"


def table(output: str) -> list[str]:
    """Return the report's lines."""
    _, _, rest = output.partition("perdure: conformance of savers")
    return [line for line in rest.splitlines()[1:] if line and not line.startswith(("=", "FAILED"))]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The suite above, run in one process."""
    return run(tmp_path_factory.mktemp("alone"), SUITE, REPORT)


def test_pytest_finds_the_plugin_by_itself(pytestconfig: pytest.Config) -> None:
    """By the entry point of the installed distribution, under a name that switches it off: `-p no:perdure`."""
    plugin = pytestconfig.pluginmanager.get_plugin("perdure")
    names = {dist.project_name for found, dist in pytestconfig.pluginmanager.list_plugin_distinfo() if found is plugin}
    assert names == {"perdure"}


def test_report_says_what_became_of_each_capability(alone: Run) -> None:
    """Savers side by side; the author's own clauses in place of ours do not count; failures explain themselves."""
    assert alone.code == 1, alone.output
    assert "At index 0 diff" in alone.output
    savers = {name.rpartition("::")[2]: saver for name, saver in alone.report["savers"].items()}
    results = {name: saver["result"] for name, saver in savers.items()}
    assert results == {"TestGood": "passed", "TestUnordered": "failed", "TestSly": "incomplete"}
    good = savers["TestGood"]["capabilities"]
    assert (good["thread-list"]["result"], good["thread-list"]["passed"]) == ("passed", 10)
    assert (good["thread-ids"]["result"], good["crash"]["result"]) == ("passed", "not offered")
    unordered = savers["TestUnordered"]["capabilities"]["thread-list"]
    assert (unordered["passed"], unordered["failed"], unordered["missing"]) == (6, 4, 0)
    assert "test_it.py::TestUnordered::test_order_is_by_id_not_by_age[async]" in unordered["failures"]
    sly = savers["TestSly"]["capabilities"]["thread-list"]
    assert (sly["passed"], sly["failed"], sly["missing"]) == (6, 0, 2)


def test_report_is_the_same_with_several_workers(alone: Run, tmp_path: Path) -> None:
    """What the workers of pytest-xdist found is put together, and shown once."""
    many = run(tmp_path, SUITE, REPORT, "-n", "2")
    assert many.code == 1
    assert many.report == alone.report
    assert table(many.output) == table(alone.output)
    assert len(table(many.output)) > 10
    assert many.output.count("perdure: conformance of savers") == 1


def test_what_was_left_out_did_not_pass(tmp_path: Path) -> None:
    """A run of a part says so."""
    done = run(tmp_path, SUITE, REPORT, "-k", "TestGood and sync and not async")
    assert done.code == 0, done.output
    capability = done.report["savers"]["test_it.py::TestGood"]["capabilities"]["thread-list"]
    assert (capability["result"], capability["passed"], capability["missing"]) == ("incomplete", 5, 5)


def test_run_without_clauses_imports_nothing_and_shows_nothing(tmp_path: Path) -> None:
    """Every pytest run of an environment with perdure loads the plugin, and should not notice."""
    done = run(tmp_path, PLAIN)
    assert done.code == 0, done.output
    assert done.report is None
    assert "conformance" not in done.output


def test_report_that_was_asked_for_is_written_without_clauses(tmp_path: Path) -> None:
    """An empty one; the workers, which ran the tests, need not have imported anything for it."""
    done = run(tmp_path, PLAIN, REPORT, "-n", "2")
    assert done.code == 0, done.output
    assert done.report["savers"] == {}
    assert "conformance of savers" not in done.output
