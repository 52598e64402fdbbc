"""Connections and pools of the caller's: used, never closed, and given back as they were."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection, ClientCursor
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row, namedtuple_row
from psycopg_pool import AsyncConnectionPool, AsyncNullConnectionPool, ConnectionPool, NullConnectionPool

from perdure.errors import ClosedError, StaleWriterError, StoreUnavailableError, UsageError
from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver, Snapshot
from perdure.testing import FACES, fork, grow, write_records
from perdure.testing.conformance.suite import unplaced
from perdure_postgres import PostgresSaver
from tests.postgres.cluster import Cluster


@pytest.fixture(params=list(FACES))
def show(request: pytest.FixtureRequest) -> Callable[[Saver], Saver]:
    return FACES[request.param]


@pytest.fixture
def looker(postgres_url: str) -> Iterator[PostgresSaver]:
    """A saver on the same database with connections of its own."""
    with PostgresSaver(postgres_url) as saver:
        yield saver


def use_all(saver: Saver) -> list[Record]:
    """Use every method of a saver that is there for use; return what thread `t` holds then."""
    saver.setup()
    records = grow(saver, "t", 3)
    fork(saver, "f", at=records[0])
    saver.put_snapshot("t", Snapshot(MAIN_BRANCH, 2, bytes(32), b"{}"))
    assert saver.get_snapshot("t", MAIN_BRANCH, upto=3) is not None
    assert saver.drop_snapshots("t") == 1
    with pytest.raises(StaleWriterError):
        grow(saver, "t", note="late")
    grow(saver, "gone", 2)
    assert saver.delete_thread("gone") == 2
    assert [one.thread_id for one in saver.list_threads()] == ["t"]
    assert [one.id for one in saver.branches("t")] == [MAIN_BRANCH, "f"]
    head = saver.head("t")
    assert head is not None
    assert head.hash == records[-1].hash
    assert unplaced(saver.read("t", MAIN_BRANCH)) == records
    saver.tail()
    return records


@pytest.mark.parametrize("autocommit", [True, False])
def test_connection(postgres_url: str, looker: PostgresSaver, show: Callable[[Saver], Saver], autocommit: bool) -> None:
    """Its owner says when what the saver did is committed, and finds it as it was."""
    with psycopg.connect(postgres_url, autocommit=autocommit) as connection:
        with show(PostgresSaver(connection)) as saver:
            records = use_all(saver)
        assert connection.autocommit is autocommit
        expected = TransactionStatus.IDLE if autocommit else TransactionStatus.INTRANS
        assert connection.info.transaction_status == expected
        connection.commit()
        assert not connection.closed
    assert unplaced(looker.read("t", MAIN_BRANCH)) == records


def test_connection_whose_owner_rolls_back(postgres_url: str, looker: PostgresSaver) -> None:
    """Then nothing was written, not even the schema; the same saver goes on."""
    with psycopg.connect(postgres_url) as connection, PostgresSaver(connection) as saver:
        for number in range(3):
            records = grow(saver, "t", 2, note=f"{number}")
            assert unplaced(saver.read("t", MAIN_BRANCH)) == records
            (connection.commit if number == 2 else connection.rollback)()
    assert unplaced(looker.read("t", MAIN_BRANCH)) == records


@pytest.mark.parametrize(
    "habits",
    [
        {"row_factory": dict_row},
        {"row_factory": namedtuple_row, "cursor_factory": ClientCursor},
        {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
    ],
    ids=["dicts", "client side", "as LangGraph wants it"],
)
def test_connection_with_habits_of_its_own(postgres_url: str, habits: dict[str, Any]) -> None:
    """How its owner likes rows and cursors does not matter, and is not changed."""
    with psycopg.connect(postgres_url, **habits) as connection:
        use_all(PostgresSaver(connection))
        assert connection.row_factory is habits["row_factory"]
        assert connection.cursor_factory is habits.get("cursor_factory", psycopg.Cursor)


@pytest.mark.parametrize("kind", [ConnectionPool, NullConnectionPool])
@pytest.mark.parametrize("habits", [{}, {"autocommit": True}, {"row_factory": dict_row}], ids=["", "commits", "dicts"])
def test_pool(
    postgres_url: str, show: Callable[[Saver], Saver], kind: type[ConnectionPool[Any]], habits: dict[str, Any]
) -> None:
    """Its connections come back as they were, outside any transaction; it is not closed with the saver."""
    with kind(postgres_url, min_size=0 if kind is NullConnectionPool else 1, max_size=2, kwargs=habits) as pool:
        with show(PostgresSaver(pool)) as saver:
            records = use_all(saver)
        with pool.connection(20) as one, pool.connection(20) as two:
            for connection in (one, two):
                assert connection.autocommit is habits.get("autocommit", False)
                assert connection.info.transaction_status == TransactionStatus.IDLE
        assert not pool.closed
        assert unplaced(PostgresSaver(pool).read("t", MAIN_BRANCH)) == records


async def ause_all(saver: Saver) -> list[Record]:
    """`use_all` in one event loop, from several tasks."""
    await saver.asetup()
    records = write_records("t", 3)
    await saver.aappend("t", MAIN_BRANCH, expected_seq=0, records=records)
    await saver.aput_snapshot("t", Snapshot(MAIN_BRANCH, 2, bytes(32), b"{}"))
    with pytest.raises(StaleWriterError):
        await saver.aappend("t", MAIN_BRANCH, expected_seq=0, records=write_records("t", note="late"))

    async def beside(name: str) -> None:
        await saver.aappend(name, MAIN_BRANCH, expected_seq=0, records=write_records(name, 2))
        assert len(await saver.aread(name, MAIN_BRANCH)) == 2
        assert await saver.adelete_thread(name) == 2

    await asyncio.gather(*(beside(name) for name in "abcdef"))
    assert [one.thread_id for one in await saver.alist_threads()] == ["t"]
    assert await saver.adrop_snapshots("t") == 1
    assert unplaced(await saver.aread("t", MAIN_BRANCH)) == records
    await saver.atail()
    return records


@pytest.mark.parametrize("habits", [{}, {"autocommit": True}, {"row_factory": dict_row}], ids=["", "commits", "dicts"])
def test_async_connection(postgres_url: str, looker: PostgresSaver, habits: dict[str, Any]) -> None:
    """One connection serves many tasks, one after the other; the sync methods say that they cannot use it."""

    async def session() -> None:
        async with await AsyncConnection.connect(postgres_url, **habits) as connection:
            async with PostgresSaver(connection) as saver:
                records = await ause_all(saver)
                for call in (saver.tail, saver.setup, lambda: grow(saver, "u")):
                    with pytest.raises(UsageError, match="async"):
                        call()
            assert connection.autocommit is habits.get("autocommit", False)
            await connection.commit()
            assert not connection.closed
        assert unplaced(looker.read("t", MAIN_BRANCH)) == records

    asyncio.run(session())


@pytest.mark.parametrize("kind", [AsyncConnectionPool, AsyncNullConnectionPool])
@pytest.mark.parametrize("habits", [{}, {"autocommit": True}], ids=["", "commits"])
def test_async_pool(postgres_url: str, kind: type[AsyncConnectionPool[Any]], habits: dict[str, Any]) -> None:
    """So does a pool, and it gets its connections back as they were."""

    async def session() -> None:
        size = {"min_size": 0 if kind is AsyncNullConnectionPool else 1, "max_size": 2}
        async with kind(postgres_url, open=False, kwargs=habits, **size) as pool:  # type: ignore[arg-type]
            async with PostgresSaver(pool) as saver:
                records = await ause_all(saver)
            async with pool.connection(20) as one, pool.connection(20) as two:
                for connection in (one, two):
                    assert connection.autocommit is habits.get("autocommit", False)
                    assert connection.info.transaction_status == TransactionStatus.IDLE
            assert not pool.closed
            assert unplaced(await PostgresSaver(pool).aread("t", MAIN_BRANCH)) == records

    asyncio.run(session())


def test_task_that_is_cancelled_gives_its_connection_back(postgres: Cluster, postgres_url: str) -> None:
    """The pool has it again, as it was, and nothing was written."""

    async def session() -> None:
        async with AsyncConnectionPool(postgres_url, open=False, min_size=1, max_size=1) as pool:
            saver = PostgresSaver(pool)
            await saver.asetup()
            async with await AsyncConnection.connect(postgres.admin_url_of(postgres_url)) as holder:
                await holder.execute("LOCK TABLE perdure.events")
                records = write_records("t")
                waiting = asyncio.create_task(saver.aappend("t", MAIN_BRANCH, expected_seq=0, records=records))
                await asyncio.sleep(0.1)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
            assert await saver.aread("t", MAIN_BRANCH) == []
            async with pool.connection(20) as connection:
                assert not connection.autocommit
                assert connection.info.transaction_status == TransactionStatus.IDLE

    asyncio.run(session())


def test_connection_serves_threads_one_after_the_other(postgres_url: str) -> None:
    """Many threads may use a saver on one connection; one that waits too long is told to lend a pool."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        saver = PostgresSaver(connection)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: grow(saver, f"t{number:02}", 2), range(40)))
        assert len(saver.list_threads()) == 40
        impatient = PostgresSaver(connection, timeout=0.1)
        with psycopg.connect(postgres_url) as holder, ThreadPoolExecutor(1) as pool:
            holder.execute("LOCK TABLE perdure.events")
            first = pool.submit(impatient.tail)
            while not holder.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall():
                pass
            with pytest.raises(StoreUnavailableError, match="lend a pool"):
                impatient.tail()
            holder.rollback()
            first.result(20)


def test_many_tasks_on_a_connection_in_a_transaction(postgres_url: str, looker: PostgresSaver) -> None:
    """What they append is part of it, each at a position of its own; one that is refused does not hurt the others."""
    names = [f"t{number:02}" for number in range(20)]
    written = {name: grow(looker, name) for name in names}
    grow(looker, "t07", after=written["t07"][-1], note="theirs")

    async def extend(saver: Saver, name: str, note: str) -> int | StaleWriterError:
        records = write_records(name, 2, after=written[name][-1], note=note)
        try:
            position = await saver.aappend(name, MAIN_BRANCH, expected_seq=records[0].seq - 1, records=records)
        except StaleWriterError as error:
            return error
        written[name] += records
        return position

    async def session(saver: Saver, note: str) -> list[int | StaleWriterError]:
        return await asyncio.gather(*(extend(saver, name, note) for name in names))

    with psycopg.connect(postgres_url) as connection, connection.transaction():
        saver = PostgresSaver(connection)
        found = [*asyncio.run(session(saver, "first")), *asyncio.run(session(saver, "second"))]
        assert [number % 20 for number, one in enumerate(found) if isinstance(one, StaleWriterError)] == [7, 7]
    positions = [record.position for name in names for record in looker.read(name, MAIN_BRANCH)]
    assert len(set(positions)) == len(positions) == 19 * 5 + 2
    assert {name: unplaced(looker.read(name, MAIN_BRANCH)) for name in names if name != "t07"} == {
        name: records for name, records in written.items() if name != "t07"
    }


def test_closed_saver_is_closed_whatever_it_stands_on(postgres_url: str) -> None:
    """Used afterwards it says so; closing it again does nothing; the lent thing works on."""
    with psycopg.connect(postgres_url) as connection, ConnectionPool(postgres_url, open=True) as pool:
        sources: list[Any] = [postgres_url, pool, connection]
        for number, source in enumerate(sources):
            saver = PostgresSaver(source)
            grow(saver, f"t{number}")
            for _ in range(2):
                saver.close()
                asyncio.run(saver.aclose())
                with pytest.raises(ClosedError):
                    saver.tail()
                with pytest.raises(ClosedError):
                    asyncio.run(saver.atail())
                with pytest.raises(ClosedError):
                    grow(saver, "u")
        assert connection.execute("SELECT 1").fetchone() == (1,)
