"""The disk fills up, or turns read-only, in the middle of a run: what was recorded stays, and the run goes on later."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from perdure.errors import StoreUnavailableError
from perdure.types import Durability
from perdure_sqlite import SqliteSaver
from tests.acceptance.short_disk import BOOK, CONFIG, GRAPHS, PAGES, given, limited, page
from tests.acceptance.two_writers import PATIENCE, heard, process
from tests.acceptance.worlds import WORLDS, World, invoke


class Fault(NamedTuple):
    """A fault of the disk, how it is mended, and what the error says."""

    strike: Callable[[sqlite3.Connection], object]
    mend: Callable[[sqlite3.Connection], object]
    said: str


def fill_up(connection: sqlite3.Connection) -> None:
    (used,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {used + 2}").fetchone()


def make_room(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA max_page_count = 1000000").fetchone()


def turn_read_only(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only = ON")


def turn_writable(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only = OFF")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, check_same_thread=False, isolation_level=None)) as opened:
        yield opened


def recorded(path: Path, name: str) -> list[str]:
    """Return the pages whose tasks are in the log, as a fresh saver sees it."""
    with SqliteSaver(path) as saver:
        graph = GRAPHS[name](saver, lambda _: None)
        assert graph.thread("writing").verify()
        return list(graph.get_state(CONFIG).values.get("pages", []))


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(fill_up, make_room, "disk is full"), id="full"),
        pytest.param(Fault(turn_read_only, turn_writable, "read-only"), id="read-only"),
    ],
)
def test_a_fault_of_the_disk_ends_the_run_and_nothing_else(
    path: Path, connection: sqlite3.Connection, fault: Fault, name: str, durability: Durability, world: World
) -> None:
    """The run fails with an error that says what is wrong; the log holds; when the disk is mended the run goes on, and
    what was recorded is not done again.
    """
    ran: list[int] = []
    broken = True

    def at(number: int) -> None:
        ran.append(number)
        if number == 5 and broken:
            fault.strike(connection)

    with SqliteSaver(connection) as saver:
        graph = GRAPHS[name](saver, at)
        with pytest.raises(StoreUnavailableError, match=fault.said):
            invoke(graph, {"pages": []}, CONFIG, world, durability=durability)
        kept = recorded(path, name)
        assert set(kept) <= {page(number) for number in ran} - {page(5)}
        if name == "writing":
            assert kept == BOOK["pages"][: len(kept)]
            assert durability != "sync" or len(kept) == 5
        fault.mend(connection)
        broken = False
        ran.clear()
        assert invoke(graph, given(graph), CONFIG, world, durability=durability) == BOOK
    assert sorted(ran) == [number for number in range(PAGES) if page(number) not in kept]
    assert recorded(path, name) == BOOK["pages"]


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("durability", ["sync", "async"])
def test_files_that_cannot_grow_end_the_run_and_nothing_else(
    path: Path, name: str, durability: Durability, world: World
) -> None:
    """The same for a process that the operating system lets write no more: it can go on itself when it may."""
    with process(limited, path, name, world, durability) as (child, pipe):
        assert "log.db" in heard(pipe)
        kept = recorded(path, name)
        assert page(5) not in kept
        assert set(kept) <= set(BOOK["pages"])
        pipe.send(True)
        assert heard(pipe) == BOOK
        child.join(PATIENCE)
        assert child.exitcode == 0
    assert recorded(path, name) == BOOK["pages"]


@pytest.mark.parametrize("world", WORLDS)
def test_another_process_goes_on_where_files_could_not_grow(path: Path, world: World) -> None:
    """The process that had no room may end: another one goes on with what it left."""
    with process(limited, path, "writing", world, "sync") as (child, pipe):
        assert "log.db" in heard(pipe)
        pipe.send(False)
        child.join(PATIENCE)
        assert child.exitcode == 0
    ran: list[int] = []
    kept = len(recorded(path, "writing"))
    with SqliteSaver(path) as saver:
        assert invoke(GRAPHS["writing"](saver, ran.append), None, CONFIG, world) == BOOK
    assert ran == list(range(kept, PAGES))
