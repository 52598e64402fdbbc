"""What the benchmarks measure is guarded by counters that no busy machine can disturb: appends, round trips, bytes."""

import asyncio
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from benchmarks.libraries.face import Api, Foreign, SaverKind
from benchmarks.libraries.perdure.words import LIBRARY
from benchmarks.play import Stage, do, play
from benchmarks.probes import stored
from benchmarks.workloads import chain, chat
from benchmarks.workloads.workload import Probe
from perdure import Saver
from perdure.events import Kind
from perdure_postgres import PostgresSaver
from perdure_sqlite import SqliteSaver

READS = ("read", "head", "branches", "get_snapshot", "tail", "list_threads")
COUNTED = frozenset({*READS, "append"})
TURNS = 200


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


def nothing() -> int:
    return 0


def stage(saver: Saver, build: Any = chain.build) -> Stage:
    """Return a compiled graph of perdure with what its script needs."""
    graph = build(LIBRARY, "sync").compile(checkpointer=saver)
    return Stage(graph, LIBRARY, {}, lambda fresh: pytest.fail(f"nobody asked for {fresh}"))


def probe_of(saver: SaverKind, where: str) -> Probe:
    return Probe(partial(stored, saver, where), nothing)


@pytest.mark.parametrize("api", ["sync", "async"])
@pytest.mark.parametrize("steps", [1, 7, 50])
def test_w1_one_append_a_superstep(path: Path, api: Api, steps: int) -> None:
    """An append for the accepted input, one for each superstep: the last one holds the end of the run, too."""
    with CountingSaver(path) as saver:
        graph: Foreign = chain.build(LIBRARY, api).compile(checkpointer=saver)
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
        figures = play(chain.script(300, probe_of("sqlite", str(path))), partial(do, stage(saver)))
    assert 0 < figures["bytes per step"] <= 600


def test_w1_stored_bytes_a_step_on_postgres(postgres_url: str) -> None:
    """There it takes at most 800, with both indexes."""
    with PostgresSaver(postgres_url) as saver:
        saver.setup()
        figures = play(chain.script(1000, probe_of("postgres", postgres_url)), partial(do, stage(saver)))
    assert 0 < figures["bytes per step"] <= 800


class CountingConnection(psycopg.Connection[Any]):
    """Counts how often a statement was sent and its answer waited for."""

    waits = 0

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        CountingConnection.waits += 1
        return super().wait(*args, **kwargs)


def test_w1_one_round_trip_a_superstep_on_postgres(postgres_url: str) -> None:
    """An append is one statement, sent once: no BEGIN, no COMMIT, no second look."""
    steps = 30
    pool = ConnectionPool(
        postgres_url, min_size=1, max_size=1, connection_class=CountingConnection, kwargs={"autocommit": True}
    )  # fmt: skip
    with pool, PostgresSaver(pool) as saver:
        saver.setup()
        call = chain.start(Random(1), steps)
        CountingConnection.waits = 0
        stage(saver).graph.invoke(call.input, call.config)
    assert CountingConnection.waits == 1 + 1 + steps  # a look for the thread, the input, and each step


def test_w2_stored_bytes_grow_with_what_was_said(path: Path) -> None:
    """Two KB are said a turn and at most six are stored: log, snapshots and indexes."""
    with SqliteSaver(path) as saver:
        figures = play(chat.script(TURNS, probe_of("sqlite", str(path))), partial(do, stage(saver, chat.build)))
    assert 2 * chat.MESSAGE * TURNS < figures["stored"] <= 6 * 1024 * TURNS


def test_w2_stored_bytes_grow_with_what_was_said_on_postgres(postgres_url: str) -> None:
    """There, too."""
    with PostgresSaver(postgres_url) as saver:
        saver.setup()
        script = chat.script(TURNS, probe_of("postgres", postgres_url))
        figures = play(script, partial(do, stage(saver, chat.build)))
    assert 2 * chat.MESSAGE * TURNS < figures["stored"] <= 6 * 1024 * TURNS


def test_w2_the_last_turn_costs_what_the_first_did(path: Path) -> None:
    """The same events, the same bytes and the same appends in every turn, and not one read of the log."""
    appends, reads = [], []
    with CountingSaver(path) as saver:
        graph: Foreign = chat.build(LIBRARY, "sync").compile(checkpointer=saver)
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
