"""The application's own rows and the events in one transaction: both are committed, or neither is."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection, IsolationLevel
from psycopg.pq import TransactionStatus

from perdure.errors import StaleWriterError, StoreUnavailableError, ThreadDeletedError, UsageError
from perdure.ids import MAIN_BRANCH
from perdure.ports import Branch
from perdure.testing import grow, write_records
from perdure.testing.conformance.suite import unplaced
from perdure_postgres import PostgresSaver

ROOT = Path(__file__).parents[2]


@pytest.fixture
def url(postgres_url: str) -> str:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE orders (item text PRIMARY KEY)")
    return postgres_url


@pytest.fixture
def saver(url: str) -> Iterator[PostgresSaver]:
    """A saver that has a pool of its own, and was not used yet."""
    with PostgresSaver(url) as saver:
        yield saver


@pytest.fixture
def mine(url: str) -> Iterator[psycopg.Connection[Any]]:
    """The application's connection."""
    with psycopg.connect(url) as connection:
        yield connection


def orders(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT item FROM orders ORDER BY item")]


def order(connection: psycopg.Connection[Any], item: str) -> None:
    connection.execute("INSERT INTO orders VALUES (%s)", [item])


def test_both_are_committed(saver: PostgresSaver, mine: psycopg.Connection[Any], url: str) -> None:
    """Nobody sees either before the commit, and everybody both after it."""
    order(mine, "tea")
    records = write_records("t", 2)
    position = saver.append("t", MAIN_BRANCH, expected_seq=0, records=records, connection=mine)
    assert saver.head("t") is None
    mine.commit()
    assert orders(url) == ["tea"]
    found = saver.read("t", MAIN_BRANCH)
    assert unplaced(found) == records
    assert found[-1].position == position


def test_neither_is_when_it_is_rolled_back(saver: PostgresSaver, mine: psycopg.Connection[Any], url: str) -> None:
    """What the saver made in its first use is there all the same: it goes on."""
    order(mine, "tea")
    saver.append("t", MAIN_BRANCH, expected_seq=0, records=write_records("t"), connection=mine)
    mine.rollback()
    assert orders(url) == []
    assert (saver.tail(), saver.list_threads(), saver.branches("t")) == ([], [], [])
    grow(saver, "t", note="another")


def test_async(saver: PostgresSaver, url: str) -> None:
    """The same on an async connection, also when a stale append is refused inside."""

    async def session() -> None:
        async with await AsyncConnection.connect(url) as mine:
            records = write_records("t", 3)
            for number, (item, commit) in enumerate([("tea", True), ("milk", False), ("milk", True)]):
                await mine.execute("INSERT INTO orders VALUES (%s)", [item])
                expected = min(number, 1)
                await saver.aappend(
                    "t", MAIN_BRANCH, expected_seq=expected, records=records[expected : expected + 1], connection=mine
                )
                stale = write_records("t", 2, note="stale")[-1:]
                with pytest.raises(StaleWriterError):
                    await saver.aappend("t", MAIN_BRANCH, expected_seq=1, records=stale, connection=mine)
                await (mine.commit() if commit else mine.rollback())
            assert unplaced(await saver.aread("t", MAIN_BRANCH)) == records[:2]

    asyncio.run(session())
    assert orders(url) == ["milk", "tea"]


def test_several_appends_of_several_threads(saver: PostgresSaver, mine: psycopg.Connection[Any], url: str) -> None:
    """Their positions are in the order in which they were made, and a fork is among them; so is what is made twice."""
    first = write_records("t", 2)
    forked = write_records("t", 2, branch="f", after=first[0])
    with mine.transaction():
        order(mine, "tea")
        positions = [
            saver.append("t", MAIN_BRANCH, expected_seq=0, records=first, connection=mine),
            saver.append("u", MAIN_BRANCH, expected_seq=0, records=write_records("u", 3), connection=mine),
            saver.append(
                "t", "f", expected_seq=1, records=forked, opens=Branch("f", MAIN_BRANCH, 1), current="becomes",
                connection=mine,
            ),
        ]  # fmt: skip
        assert saver.append("t", MAIN_BRANCH, expected_seq=0, records=first, connection=mine) == positions[0]
    head = saver.head("t")
    assert head is not None
    assert head.branch == "f"
    found = [*saver.read("t", MAIN_BRANCH), *saver.read("u", MAIN_BRANCH), *saver.read("t", "f")]
    assert [found[1].position, found[4].position, found[6].position] == positions
    assert [one.position for one in found] == sorted({one.position for one in found})
    assert orders(url) == ["tea"]


@pytest.mark.parametrize("commits", [True, False])
def test_refused_append_leaves_the_transaction_usable(
    saver: PostgresSaver, mine: psycopg.Connection[Any], url: str, commits: bool
) -> None:
    """Whatever is refused inside, what the application did before and does after can be committed, or rolled back."""
    first = grow(saver, "t", 2)
    grow(saver, "gone")
    saver.delete_thread("gone")
    order(mine, "before")
    more = write_records("t", 1, after=first[-1])
    saver.append("t", MAIN_BRANCH, expected_seq=2, records=more, connection=mine)
    for thread_id, expected, error in (
        ("t", 0, StaleWriterError),
        ("t", 2, StaleWriterError),
        ("gone", 1, ThreadDeletedError),
        ("unknown", 4, StaleWriterError),
    ):
        wrong = write_records(thread_id, 5, note="wrong")[expected:]
        with pytest.raises(error):
            saver.append(thread_id, MAIN_BRANCH, expected_seq=expected, records=wrong, connection=mine)
    lost = write_records("t", 3, branch="f", note="x")[2:]
    with pytest.raises(UsageError, match="no such branch"):
        saver.append("t", "f", expected_seq=2, records=lost, opens=Branch("f", "nowhere", 2), connection=mine)
    assert mine.info.transaction_status == TransactionStatus.INTRANS
    order(mine, "after")
    (mine.commit if commits else mine.rollback)()
    assert orders(url) == (["after", "before"] if commits else [])
    assert unplaced(saver.read("t", MAIN_BRANCH)) == first + (more if commits else [])


@pytest.mark.parametrize("level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
def test_transaction_that_sees_an_old_state_is_refused(
    saver: PostgresSaver, mine: psycopg.Connection[Any], url: str, level: IsolationLevel
) -> None:
    """One that began before another writer was first does not see that one, and is told all the same."""
    first = grow(saver, "t")
    mine.isolation_level = level
    order(mine, "tea")
    theirs = grow(saver, "t", after=first[-1], note="theirs")
    stale = write_records("t", 2, after=first[-1])
    with pytest.raises((StaleWriterError, StoreUnavailableError)):
        saver.append("t", MAIN_BRANCH, expected_seq=1, records=stale, connection=mine)
    mine.commit()
    assert unplaced(saver.read("t", MAIN_BRANCH)) == first + theirs
    assert orders(url) == ["tea"]
    saver.append("t", MAIN_BRANCH, expected_seq=2, records=write_records("t", after=theirs[-1]), connection=mine)
    mine.commit()
    assert len(saver.read("t", MAIN_BRANCH)) == 3


def test_two_transactions_append_to_one_thread(saver: PostgresSaver, mine: psycopg.Connection[Any], url: str) -> None:
    """The second waits for the first: it is refused if that one commits, and goes in if not."""
    first = grow(saver, "t")
    for number, commits in enumerate([True, False]):
        records = write_records("t", 1, after=first[-1], note=f"mine {number}")
        theirs = write_records("t", 1, after=first[-1], note=f"theirs {number}")
        seq = first[-1].seq
        with psycopg.connect(url) as other, ThreadPoolExecutor(1) as pool:
            saver.append("t", MAIN_BRANCH, expected_seq=seq, records=theirs, connection=other)
            waiting = pool.submit(
                saver.append, "t", MAIN_BRANCH, expected_seq=seq, records=records, connection=mine
            )  # fmt: skip
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
            (other.commit if commits else other.rollback)()
            if commits:
                with pytest.raises(StaleWriterError):
                    waiting.result(20)
                first += theirs
            else:
                waiting.result(20)
                first += records
        mine.commit()
        assert unplaced(saver.read("t", MAIN_BRANCH)) == first


KILLED = """
import os, signal, sys
import psycopg
from perdure.testing import write_records
from perdure_postgres import PostgresSaver

url, thread_id, place = sys.argv[1:]

def here(name):
    if name == place:
        os.kill(os.getpid(), signal.SIGKILL)

with PostgresSaver(url) as saver, psycopg.connect(url) as mine:
    with mine.transaction():
        mine.execute("INSERT INTO orders VALUES (%s)", [thread_id])
        here("before the append")
        saver.append(thread_id, "main", expected_seq=0, records=write_records(thread_id, 2), connection=mine)
        here("before the commit")
    here("after the commit")
"""


@pytest.mark.parametrize("place", ["before the append", "before the commit", "after the commit"])
def test_killed_anywhere_both_are_there_or_neither(saver: PostgresSaver, url: str, place: str) -> None:
    """A process that is killed leaves no order without its events, and no events without their order."""
    saver.setup()
    killed = subprocess.run([sys.executable, "-c", KILLED, url, "t", place], cwd=ROOT, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    committed = place == "after the commit"
    assert orders(url) == (["t"] if committed else [])
    assert len(saver.read("t", MAIN_BRANCH)) == (2 if committed else 0)


def test_connection_that_commits_by_itself(saver: PostgresSaver, url: str) -> None:
    """On one in autocommit an append is a transaction of its own, inside a block of the owner's it is not."""
    with psycopg.connect(url, autocommit=True) as mine:
        first = write_records("t", 3)
        saver.append("t", MAIN_BRANCH, expected_seq=0, records=first[:1], connection=mine)
        assert mine.info.transaction_status == TransactionStatus.IDLE
        assert unplaced(saver.read("t", MAIN_BRANCH)) == first[:1]
        with mine.transaction(force_rollback=True):
            saver.append("t", MAIN_BRANCH, expected_seq=1, records=first[1:2], connection=mine)
        assert unplaced(saver.read("t", MAIN_BRANCH)) == first[:1]
        with mine.transaction():
            saver.append("t", MAIN_BRANCH, expected_seq=1, records=first[1:2], connection=mine)
            with mine.transaction(force_rollback=True):
                saver.append("t", MAIN_BRANCH, expected_seq=2, records=first[2:], connection=mine)
                order(mine, "tea")
        assert unplaced(saver.read("t", MAIN_BRANCH)) == first[:2]
        assert orders(url) == []


def test_connection_of_the_other_world_is_refused(saver: PostgresSaver, mine: psycopg.Connection[Any]) -> None:
    """A sync append takes a sync connection, an async one an async one."""
    records = write_records("t")

    async def session() -> None:
        with pytest.raises(UsageError, match="AsyncConnection"):
            await saver.aappend("t", MAIN_BRANCH, expected_seq=0, records=records, connection=mine)
        async with await AsyncConnection.connect(mine.info.dsn) as other:
            with pytest.raises(UsageError, match=r"psycopg\.Connection"):
                saver.append("t", MAIN_BRANCH, expected_seq=0, records=records, connection=other)

    asyncio.run(session())
    assert saver.tail() == []
