"""Stores that cannot be trusted or used: one typed error that says where and what, and the log stays as it was."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypedDict

import pytest

from perdure import START, Saver, StateGraph, open_saver
from perdure.app import CompiledGraph
from perdure.errors import (
    ClosedError,
    CorruptEventError,
    GraphDefinitionError,
    MissingDriverError,
    SchemaVersionError,
    StoreUnavailableError,
    ThreadDeletedError,
)
from perdure_sqlite import SqliteSaver
from tests.acceptance.untouched import untouched

pytestmark = pytest.mark.anyio

PLACE: Any = {"thread_id": "t"}


class State(TypedDict, total=False):
    text: str


def shout(state: State) -> State:
    return {"text": state["text"].upper() + "!"}


def built(saver: Saver) -> CompiledGraph:
    return StateGraph(State).add_node("shout", shout).add_edge(START, "shout").compile(saver)


def change(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(statement, values).rowcount == 1


def shouted(path: Path) -> int:
    """Return the seq of the event that holds the node's result."""
    with closing(sqlite3.connect(path)) as connection:
        (seq,) = connection.execute("SELECT seq FROM events WHERE instr(payload, 'QUIET')").fetchone()
    return int(seq)


def falsify(path: Path) -> None:
    """Change the node's recorded result."""
    change(path, "UPDATE events SET payload = replace(payload, 'QUIET', 'LOUD') WHERE instr(payload, 'QUIET')")


@pytest.fixture
def written(database: Path) -> Path:
    """A database in which one thread has run once."""
    with SqliteSaver(database) as saver:
        built(saver).invoke({"text": "quiet"}, PLACE)
    return database


READS: dict[str, Callable[[CompiledGraph], object]] = {
    "get_state": lambda graph: graph.get_state(PLACE),
    "history": lambda graph: list(graph.get_state_history(PLACE)),
    "invoke": lambda graph: graph.invoke({"text": "again"}, PLACE),
    "invoke None": lambda graph: graph.invoke(None, PLACE),
    "stream": lambda graph: list(graph.stream({"text": "again"}, PLACE)),
    "update": lambda graph: graph.update_state(PLACE, {"text": "x"}, as_node="shout"),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_changed_row_names_its_seq_and_hashes(written: Path, read: Callable[[CompiledGraph], object]) -> None:
    """A payload that was changed is never shown as state and never built on."""
    seq = shouted(written)
    falsify(written)
    with SqliteSaver(written) as saver, untouched(saver):
        with pytest.raises(
            CorruptEventError, match=rf"Event {seq} .TaskSucceeded. of thread 't', branch 'm"
        ) as refused:
            read(built(saver))
        error = refused.value
        assert (error.thread_id, error.branch, error.seq) == ("t", "main", seq)
        assert error.found[:16] in str(error)
        assert error.expected[:16] in str(error)
        assert len(error.found) == len(error.expected) == 64


async def test_changed_row_async(written: Path) -> None:
    """The same in the async world."""
    seq = shouted(written)
    falsify(written)
    async with SqliteSaver(written) as saver:
        graph = built(saver)
        with pytest.raises(CorruptEventError, match=f"Event {seq} "):
            await graph.aget_state(PLACE)
        with pytest.raises(CorruptEventError, match=f"Event {seq} "):
            await graph.ainvoke({"text": "again"}, PLACE)


def test_removed_row_names_the_gap(written: Path) -> None:
    """A missing event is told from a changed one."""
    change(written, "DELETE FROM events WHERE seq = 3")
    with SqliteSaver(written) as saver, pytest.raises(CorruptEventError, match="lacks event 3") as refused:
        built(saver).get_state(PLACE)
    assert refused.value.seq == 3


def test_row_that_is_no_json(written: Path) -> None:
    """Bytes that are no payload at all are the same kind of error."""
    change(written, "UPDATE events SET payload = X'FF00' WHERE seq = 4")
    with SqliteSaver(written) as saver, pytest.raises(CorruptEventError) as refused:
        built(saver).get_state(PLACE)
    assert refused.value.seq == 4


def test_healthy_threads_beside_a_corrupt_one(written: Path) -> None:
    """One thread's damage is no other's."""
    change(written, "UPDATE events SET payload = '{}' WHERE seq = 2")
    with SqliteSaver(written) as saver:
        assert built(saver).invoke({"text": "fine"}, {"thread_id": "other"}) == {"text": "FINE!"}


def test_newer_schema(written: Path) -> None:
    """A database made by a newer release is refused, and left as it is."""
    change(written, "INSERT INTO perdure_schema VALUES (999, 'the_future', 0)")
    before = written.read_bytes()
    with SqliteSaver(written) as saver, pytest.raises(SchemaVersionError, match=r"999.*pgrade|pgrade.*999"):
        built(saver).invoke({"text": "again"}, PLACE)
    with SqliteSaver(written) as saver, pytest.raises(SchemaVersionError, match="999"):
        built(saver).get_state(PLACE)
    assert written.read_bytes() == before


def test_read_only_database(written: Path) -> None:
    """State can be read; a run is refused before its first node, and the thread is as it was."""
    ran = []
    builder = StateGraph(State).add_node("note", lambda state: ran.append(1)).add_edge(START, "note")
    connection = sqlite3.connect(f"file:{written}?mode=ro", uri=True, check_same_thread=False)
    with closing(connection), SqliteSaver(connection) as saver:
        graph = builder.compile(saver)
        assert graph.get_state(PLACE).values == {"text": "QUIET!"}
        with untouched(saver), pytest.raises(StoreUnavailableError, match="read-only"):
            graph.invoke({"text": "again"}, PLACE)
        assert graph.get_state(PLACE).values == {"text": "QUIET!"}
    assert ran == []


def test_full_disk(written: Path) -> None:
    """A step that does not fit is lost alone: with room again the thread goes on from the step before."""
    big = ["x" * 400_000]

    def grow(state: State) -> State:
        return {"text": big[0]}

    connection = sqlite3.connect(written, check_same_thread=False)
    with closing(connection), SqliteSaver(connection) as saver:
        graph = StateGraph(State).add_node("grow", grow).add_edge(START, "grow").compile(saver)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 20}")
        with pytest.raises(StoreUnavailableError, match="full"):
            graph.invoke({"text": "in"}, PLACE)
        assert graph.get_state(PLACE).next == ("grow",)
        assert graph.thread("t").verify().ok
        connection.execute("PRAGMA max_page_count = 1000000")
        assert graph.invoke(None, PLACE) == {"text": big[0]}
        assert graph.thread("t").verify().ok


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL of a saver that is not installed says what to install."""
    monkeypatch.setattr("perdure.saver_urls.entry_points", lambda **_: ())
    with pytest.raises(MissingDriverError, match="pip install perdure-checkpoint-postgres"):
        open_saver("postgresql://localhost/db")


class Store:
    """Looks like a store, not like a saver."""

    def get(self, key: str) -> None:
        return None


@pytest.mark.parametrize("other", [Store(), {}, "memory:", SqliteSaver], ids=["store", "dict", "url", "class"])
def test_other_object_as_checkpointer(other: Any) -> None:
    """What is no saver is refused by `compile`, with the way to open one."""
    with pytest.raises(GraphDefinitionError, match=r"expected a saver.*found.*open_saver"):
        StateGraph(State).add_node("shout", shout).add_edge(START, "shout").compile(other)


USES: dict[str, Callable[[CompiledGraph], object]] = {
    **READS,
    "events": lambda graph: graph.thread("t").events(),
    "verify": lambda graph: graph.thread("t").verify(),
    "pending": lambda graph: graph.thread("t").pending(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_deleted_thread(saver: Saver, use: Callable[[CompiledGraph], object]) -> None:
    """Deletion is final: its id can be neither read nor written again, warm or cold."""
    graph = built(saver)
    graph.invoke({"text": "quiet"}, PLACE)
    saver.delete_thread("t")
    for again in (graph, built(saver)):
        with untouched(saver), pytest.raises(ThreadDeletedError, match="'t' was deleted"):
            use(again)


@pytest.mark.parametrize("use", READS.values(), ids=READS)
def test_closed_saver(database: Path, use: Callable[[CompiledGraph], object]) -> None:
    """A saver that was closed says so."""
    saver = SqliteSaver(database)
    graph = built(saver)
    graph.invoke({"text": "quiet"}, PLACE)
    saver.close()
    with pytest.raises(ClosedError):
        use(graph)
