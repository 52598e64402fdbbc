"""The benchmarks work, and what they measure is guarded by counters that no busy machine can disturb."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from benchmarks.child import play, play_async, stored
from benchmarks.libraries.face import Api, Foreign
from benchmarks.libraries.perdure import LIBRARY
from benchmarks.workloads import chain, chat
from benchmarks.workloads.every import WORKLOADS
from benchmarks.workloads.workload import Probe
from perdure.events import Kind
from perdure_sqlite import SqliteSaver

ROOT = Path(__file__).parents[2]
READS = ("read", "head", "branches", "get_snapshot", "tail", "list_threads")
COUNTED = frozenset({*READS, "append"})


class CountingSaver(SqliteSaver):
    """Counts how often its methods are reached for (an async one reaches for its sync sister once)."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.calls: Counter[str] = Counter()

    def __getattribute__(self, name: str) -> Any:
        if name in COUNTED:
            self.calls[name] += 1
        return super().__getattribute__(name)

    @property
    def reads(self) -> int:
        return sum(self.calls[name] for name in READS)


@pytest.fixture(autouse=True)
def warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """These laws are about runs that keep their projection."""
    monkeypatch.delenv("PERDURE_ALWAYS_SUSPENDING", raising=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def run_benchmarks(file: Path, *words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks", "--repeats", "1", "--folder", str(file.parent), "--json", str(file)]
    run = subprocess.run([*command, *words], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    for row in found["rows"]:
        assert row["unit"] in run.stdout
    return found


@pytest.mark.parametrize(
    ("workload", "saver", "api"),
    [("w1", "none", "sync"), ("w1", "sqlite", "async"), ("w2", "memory", "sync"), ("w2", "sqlite", "sync")],
)
def test_a_tiny_run_of_each_workload(tmp_path: Path, workload: str, saver: str, api: str) -> None:
    """Both libraries run the same cell; table and JSON hold every figure and the ratio of each pair."""
    words = ["--workloads", workload, "--savers", saver, "--apis", api, "--size", "6"]
    found = run_benchmarks(tmp_path / "out.json", *words)
    expected = {one.name for one in WORKLOADS[workload].figures if saver == "sqlite" or not one.of_file}
    assert {row["figure"] for row in found["rows"]} == expected
    assert {run["library"] for run in found["runs"]} == {"perdure", "langgraph"}
    for run in found["runs"]:
        assert run["figures"].keys() == expected
    for row in found["rows"]:
        if row["times"] is not None:
            (middle, least, greatest) = row["times"]
            assert 0 < least == middle == greatest
    assert found["versions"]["langgraph"] == "1.2.22"


def test_a_cell_that_fails_is_told(tmp_path: Path) -> None:
    """A failing child is an exit code and its last words, not a hole in the table."""
    command = [sys.executable, "-m", "benchmarks", "--workloads", "w1", "--savers", "none", "--apis", "sync"]
    more = ["--libraries", "perdure", "--repeats", "1", "--size", "-20", "--folder", str(tmp_path)]
    run = subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1
    assert "w1 none sync perdure: " in run.stderr
    assert "recursion_limit" in run.stderr


def nothing() -> int:
    return 0


@pytest.mark.parametrize("api", ["sync", "async"])
@pytest.mark.parametrize("steps", [1, 7, 50])
def test_w1_one_append_a_superstep(path: Path, api: Api, steps: int) -> None:
    """An append for the accepted input, one for each superstep: the last one holds the end of the run, too."""
    with CountingSaver(path) as saver:
        graph: Foreign = chain.build(LIBRARY).compile(checkpointer=saver)
        call = chain.start(Random(1), steps)
        saver.calls.clear()
        if api == "sync":
            graph.invoke(call.input, call.config)
        else:
            asyncio.run(graph.ainvoke(call.input, call.config))
        assert saver.calls["append"] == steps + 1
        records = saver.read(call.config["configurable"]["thread_id"], "main")
    committed = [record for record in records if record.kind == Kind.STEP_COMMITTED]
    assert len(committed) == steps + 2  # the input, and the step that hands it to the graph


def test_w1_stored_bytes_a_step(path: Path) -> None:
    """A superstep of a small graph takes at most 600 bytes, everything included."""
    with SqliteSaver(path) as saver:
        graph: Foreign = chain.build(LIBRARY).compile(checkpointer=saver)
        script = chain.script(300, Probe(lambda: stored(path), nothing))
        figures = play(script, lambda call: graph.invoke(call.input, call.config))
    assert 0 < figures["bytes per step"] <= 600


TURNS = 200


def test_w2_stored_bytes_grow_with_what_was_said(path: Path) -> None:
    """Two KB are said a turn and at most six are stored: log, snapshots and indexes."""
    with SqliteSaver(path) as saver:
        graph: Foreign = chat.build(LIBRARY).compile(checkpointer=saver)
        script = chat.script(TURNS, Probe(lambda: stored(path), nothing))
        figures = play(script, lambda call: graph.invoke(call.input, call.config))
    assert 2 * chat.MESSAGE * TURNS < figures["stored"] <= 6 * 1024 * TURNS


def test_w2_the_last_turn_costs_what_the_first_did(path: Path) -> None:
    """The same events, the same bytes and the same appends in every turn, and not one read of the log."""
    appends, reads = [], []
    with CountingSaver(path) as saver:
        graph: Foreign = chat.build(LIBRARY).compile(checkpointer=saver)
        calls = chat.turns(Random(3), TURNS)
        for call in calls:
            saver.calls.clear()
            graph.invoke(call.input, call.config)
            appends.append(saver.calls["append"])
            reads.append(saver.reads)
        records = saver.read(calls[0].config["configurable"]["thread_id"], "main")
    assert sum(reads[1:]) == 0
    assert set(appends) == {2}
    events: Counter[str] = Counter(record.run_id for record in records)
    assert len(events) == TURNS
    assert len(set(list(events.values())[1:])) == 1
    sizes: Counter[str] = Counter()
    for record in records:
        sizes[record.run_id] += len(record.payload)
    each = list(sizes.values())
    assert each[TURNS - 1] <= 1.1 * each[19]


def test_the_scripts_do_the_same_in_both_worlds(path: Path) -> None:
    """One script, two drivers: the same calls give the same figures but for the clock."""
    graph: Foreign = chain.build(LIBRARY).compile()
    probe = Probe(nothing, nothing)
    ours = play(chain.script(5, probe), lambda call: graph.invoke(call.input, call.config))
    theirs = asyncio.run(play_async(chain.script(5, probe), lambda call: graph.ainvoke(call.input, call.config)))
    assert ours.keys() == theirs.keys() == {one.name for one in WORKLOADS["w1"].figures}
