"""Ways to name a database: paths, strings, borrowed connections; and the threads behind the async face."""

import asyncio
import gc
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from perdure.errors import ClosedError, UsageError
from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.offload import IDLE_SECONDS
from perdure.testing import grow, write_records
from perdure.testing.conformance.suite import unplaced
from perdure_sqlite import SqliteSaver


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def test_from_conn_string_returns_the_saver_itself(path: Path) -> None:
    """It works directly and in both kinds of `with`."""
    saver = SqliteSaver.from_conn_string(str(path))
    records = grow(saver, "t")
    with saver as entered:
        assert entered is saver
    with SqliteSaver.from_conn_string(":memory:") as other:
        assert other.head("t") is None

    async def session() -> None:
        async with SqliteSaver.from_conn_string(str(path)) as saver:
            assert unplaced(await saver.aread("t", MAIN_BRANCH)) == records

    asyncio.run(session())


def test_nothing_is_opened_before_it_is_used(path: Path) -> None:
    """Making a saver touches no file."""
    with SqliteSaver(path):
        assert not path.exists()


def test_path_means_the_place_it_meant_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another working directory makes no second database."""
    monkeypatch.chdir(tmp_path)
    with SqliteSaver("log.db") as saver:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        grow(saver, "t")
    assert (tmp_path / "log.db").exists()


def test_empty_path_is_a_usage_error() -> None:
    """SQLite would make a temporary database and lose it."""
    with pytest.raises(UsageError, match="empty"):
        SqliteSaver("")


def test_borrowed_connection_is_left_as_it_was(path: Path) -> None:
    """The saver works beside the owner's tables and settings, and does not close what it did not open."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    connection.execute("CREATE TABLE mine (x)")
    connection.execute("INSERT INTO mine VALUES (1)")
    connection.commit()
    with SqliteSaver(connection) as saver:
        records = grow(saver, "t", 2)
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records
        assert saver.delete_thread("t") == 2
    assert [row["x"] for row in connection.execute("SELECT x FROM mine")] == [1]
    with pytest.raises(ClosedError):
        saver.tail()
    connection.close()


def test_open_transaction_of_a_borrowed_connection_is_respected() -> None:
    """Nothing of the owner's is committed behind their back."""
    with closing(sqlite3.connect(":memory:")) as connection, SqliteSaver(connection) as saver:
        grow(saver, "t")
        connection.execute("CREATE TABLE mine (x)")
        connection.execute("INSERT INTO mine VALUES (1)")
        with pytest.raises(UsageError, match="inside a transaction"):
            grow(saver, "u")
        connection.rollback()
        assert connection.execute("SELECT count(*) FROM mine").fetchone() == (0,)
        assert len(grow(saver, "u")) == 1


def test_borrowed_connection_closed_by_its_owner() -> None:
    """The error says who closed it."""
    connection = sqlite3.connect(":memory:")
    saver = SqliteSaver(connection)
    grow(saver, "t")
    connection.close()
    with pytest.raises(ClosedError, match="its owner"):
        grow(saver, "u")
    with pytest.raises(ClosedError, match="its owner"):
        saver.tail()
    saver.close()


def test_borrowed_connection_of_one_thread(path: Path) -> None:
    """In its own thread both faces work; elsewhere the error says how to open it."""
    with closing(sqlite3.connect(path)) as connection, SqliteSaver(connection) as saver:
        records = write_records("t", 2)
        asyncio.run(saver.aappend("t", MAIN_BRANCH, expected_seq=0, records=records))
        assert unplaced(asyncio.run(saver.aread("t", MAIN_BRANCH))) == records
        errors: list[Exception] = []

        def elsewhere() -> None:
            try:
                saver.tail()
            except UsageError as exc:
                errors.append(exc)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert len(errors) == 1
        assert "check_same_thread=False" in str(errors[0])


def test_text_factory_that_bends_texts_is_refused() -> None:
    """Texts must come back as texts."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.text_factory = bytes
        with pytest.raises(UsageError, match="text_factory"):
            SqliteSaver(connection)


def test_async_work_leaves_the_event_loop_free(path: Path) -> None:
    """While another process holds the lock, the loop goes on; the append is committed afterwards."""

    async def session() -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            async with SqliteSaver(path) as saver:
                await saver.asetup()
                other.execute("BEGIN IMMEDIATE")
                waiting = asyncio.create_task(
                    saver.aappend("t", MAIN_BRANCH, expected_seq=0, records=write_records("t"))
                )
                for _ in range(20):
                    await asyncio.sleep(0.005)
                assert not waiting.done()
                assert await saver.aread("t", MAIN_BRANCH) == []
                other.execute("COMMIT")
                assert await waiting > 0

    asyncio.run(session())


def test_refused_append_of_a_group_leaves_nothing(path: Path) -> None:
    """An append that fails after its first statement takes back its own statements, and only these."""

    async def append(saver: SqliteSaver, record: Record) -> bool:
        try:
            await saver.aappend(record.thread_id, MAIN_BRANCH, expected_seq=0, records=[record])
        except UsageError:
            return False
        return True

    async def session() -> None:
        records = [write_records(f"t{number:02}")[0] for number in range(20)]
        wrong = [record._replace(actor="\ud800") if number % 2 else record for number, record in enumerate(records)]
        async with SqliteSaver(path) as saver:
            results = await asyncio.gather(*(append(saver, record) for record in wrong))
            assert results == [True, False] * 10
            with closing(sqlite3.connect(path)) as plain:
                assert plain.execute("SELECT count(*) FROM threads").fetchone() == (10,)
                assert plain.execute("SELECT count(*) FROM branches").fetchone() == (10,)
            assert await asyncio.gather(*(append(saver, record) for record in records)) == [True] * 20

    asyncio.run(session())


def test_event_loops_in_several_threads_share_one_saver(path: Path) -> None:
    """Each caller gets its answer in its own loop."""

    async def session(saver: SqliteSaver, name: str) -> None:
        for number in range(20):
            records = write_records(f"{name}-{number}", 2)
            await saver.aappend(records[0].thread_id, MAIN_BRANCH, expected_seq=0, records=records)
            assert unplaced(await saver.aread(records[0].thread_id, MAIN_BRANCH)) == records

    with SqliteSaver(path, synchronous="OFF") as saver:
        threads = [threading.Thread(target=lambda name=name: asyncio.run(session(saver, name))) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(saver.list_threads()) == 60


def test_closing_ends_the_threads(path: Path) -> None:
    """A closed saver leaves no thread and no connection behind."""

    async def session() -> None:
        saver = SqliteSaver(path)
        await asyncio.gather(*(saver.aappend(t, MAIN_BRANCH, expected_seq=0, records=write_records(t)) for t in "abc"))
        await asyncio.gather(*(saver.ahead(t) for t in "abc"))
        assert ours()
        started = time.monotonic()
        await saver.aclose()
        assert time.monotonic() - started < IDLE_SECONDS / 2
        assert ours() == []

    def ours() -> list[str]:
        return [one.name for one in threading.enumerate() if one not in before and "perdure-sqlite" in one.name]

    before = threading.enumerate()  # another test may have left a saver open
    asyncio.run(session())
    gc.collect()
    assert sorted(file.name for file in path.parent.iterdir()) == ["log.db"]
