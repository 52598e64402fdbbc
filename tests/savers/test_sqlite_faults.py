"""What can go wrong with a file: each fault is one of perdure's errors, says what to do, and loses nothing."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from perdure.errors import CorruptEventError, StoreError, StoreUnavailableError, UsageError
from perdure.ids import MAIN_BRANCH
from perdure.ports import Snapshot
from perdure.testing import BLANK, grow, write_records
from perdure.testing.conformance.suite import unplaced
from perdure_sqlite import SqliteSaver


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def change(path: Path, statement: str, *bound: object) -> None:
    with closing(sqlite3.connect(path)) as plain, plain:
        plain.execute(statement, bound)


def test_full_disk_loses_nothing(path: Path) -> None:
    """An append that does not fit is refused whole; with room again the same append succeeds."""
    with closing(sqlite3.connect(path)) as connection, SqliteSaver(connection) as saver:
        first = grow(saver, "t", 2)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 5}")
        big = write_records("t", 3, after=first[-1], like=BLANK._replace(payload=b"x" * 20_000))
        with pytest.raises(StoreUnavailableError, match="disk is full"):
            saver.append("t", MAIN_BRANCH, expected_seq=2, records=big)
        assert unplaced(saver.read("t", MAIN_BRANCH)) == first
        connection.execute("PRAGMA max_page_count = 100000")
        saver.append("t", MAIN_BRANCH, expected_seq=2, records=big)
        assert unplaced(saver.read("t", MAIN_BRANCH)) == first + big


LIMITED = """
import asyncio, resource, sys
from perdure.errors import StoreUnavailableError
from perdure.testing import BLANK, write_records
from perdure_sqlite import SqliteSaver

like = BLANK._replace(payload=b"x" * 50_000)
batches = {f"t{n}": write_records(f"t{n}", 2, like=like) for n in range(30)}

async def append(saver, thread_id):
    try:
        await saver.aappend(thread_id, "main", expected_seq=0, records=batches[thread_id])
        return True
    except StoreUnavailableError as exc:
        assert exc.__cause__ is not None
        return False

async def main():
    async with SqliteSaver(sys.argv[1]) as saver:
        await saver.asetup()
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))
        results = await asyncio.gather(*(append(saver, t) for t in batches))
        found = [len(await saver.aread(t, "main")) for t in batches]
        assert found == [2 * result for result in results], (found, results)
        assert 0 < sum(results) < 30, results
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert all([await append(saver, t) for t in batches])
        assert [len(await saver.aread(t, "main")) for t in batches] == [2] * 30

asyncio.run(main())
"""


def test_file_that_cannot_grow_fails_only_what_does_not_fit(path: Path) -> None:
    """Appends that were to be committed together are each whole or refused, and succeed when there is room."""
    child = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (child.returncode, child.stderr) == (0, "")


def test_read_only_file_can_be_read(path: Path) -> None:
    """Reading goes on, writing says what is wrong."""
    with SqliteSaver(path) as saver:
        records = grow(saver, "t", 2)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection, SqliteSaver(connection) as saver:
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records
        with pytest.raises(StoreUnavailableError, match="read-only"):
            grow(saver, "t", after=records[-1])


def test_missing_directory_is_named(tmp_path: Path) -> None:
    """The path is in the message."""
    with SqliteSaver(tmp_path / "nowhere" / "log.db") as saver:
        with pytest.raises(StoreUnavailableError, match=r"nowhere.*directory exists"):
            saver.read("t", MAIN_BRANCH)
        with pytest.raises(StoreUnavailableError, match="nowhere") as refused:
            grow(saver, "t")
        assert isinstance(refused.value.__cause__, sqlite3.OperationalError)
        (tmp_path / "nowhere").mkdir()
        assert len(grow(saver, "t")) == 1


def test_other_file_is_no_database(path: Path) -> None:
    """A file of another kind is refused and left as it is."""
    path.write_bytes(b"This is a letter, not a database. " * 100)
    with SqliteSaver(path) as saver, pytest.raises(StoreUnavailableError, match="not an SQLite database"):
        grow(saver, "t")
    assert path.read_bytes() == b"This is a letter, not a database. " * 100


def test_damaged_file_is_an_error_not_an_answer(path: Path) -> None:
    """Overwritten pages are found when they are read."""
    with SqliteSaver(path) as saver:
        grow(saver, "t", 500)
    with path.open("r+b") as file:
        file.seek(4096 * 8)
        file.write(os.urandom(path.stat().st_size - 4096 * 8))
    with SqliteSaver(path) as saver, pytest.raises(CorruptEventError, match="damaged"):
        saver.read("t", MAIN_BRANCH)


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("hash", b"\x00" * 31, "hash has 31 bytes"),
        ("hash", "text", "hash is str, not bytes"),
        ("kind", b"\x01", "kind is bytes, not str"),
        ("recorded_at", "yesterday", "recorded_at is str, not int"),
        ("version", 1.5, "version is float, not int"),
        ("actor", b"ada", "actor is bytes, not str"),
    ],
)
def test_row_that_is_no_record_is_named(path: Path, column: str, value: object, fault: str) -> None:
    """The error says thread, branch, seq and what was found; sound rows can still be read."""
    with SqliteSaver(path) as saver:
        records = grow(saver, "t", 3)
        change(path, f"UPDATE events SET {column} = ? WHERE seq = 2", value)
        with pytest.raises(CorruptEventError, match=fault) as refused:
            saver.read("t", MAIN_BRANCH)
        assert (refused.value.thread_id, refused.value.branch, refused.value.seq) == ("t", MAIN_BRANCH, 2)
        with pytest.raises(CorruptEventError):
            saver.tail()
        assert unplaced(saver.read("t", MAIN_BRANCH, upto=1)) == records[:1]


def test_text_that_is_no_utf8_is_corrupt(path: Path) -> None:
    """SQLite itself does not check texts."""
    with SqliteSaver(path) as saver:
        grow(saver, "t", 2)
        change(path, "UPDATE events SET actor = CAST(x'ff80' AS TEXT) WHERE seq = 2")
        with pytest.raises(CorruptEventError, match="UTF-8"):
            saver.read("t", MAIN_BRANCH)


def test_snapshot_that_is_none_is_corrupt(path: Path) -> None:
    """The error says that snapshots can be dropped, and they can."""
    with SqliteSaver(path) as saver:
        grow(saver, "t", 2)
        saver.put_snapshot("t", Snapshot(MAIN_BRANCH, 2, bytes(32), b"state"))
        change(path, "UPDATE snapshots SET payload = 'text'")
        with pytest.raises(CorruptEventError, match="drop the thread's snapshots"):
            saver.get_snapshot("t", MAIN_BRANCH, upto=2)
        assert saver.drop_snapshots("t") == 1


def test_lock_is_waited_for_and_then_reported(path: Path) -> None:
    """A writer waits `timeout` for another's transaction; readers do not wait at all."""
    with SqliteSaver(path, timeout=0.2) as saver, closing(sqlite3.connect(path, isolation_level=None)) as other:
        records = grow(saver, "t", 2)
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="locked"):
            grow(saver, "t", after=records[-1])
        assert 0.2 <= time.monotonic() - started < 5
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records
        other.execute("COMMIT")
        assert len(grow(saver, "t", after=records[-1])) == 1


def test_a_number_that_sqlite_cannot_hold_is_a_usage_error(path: Path) -> None:
    """The batch is refused whole, its sound records, too."""
    with SqliteSaver(path) as saver:
        sound = write_records("t", 2)
        wrong = sound[1]._replace(recorded_at=2**63)
        with pytest.raises(UsageError, match="SQLite cannot hold"):
            saver.append("t", MAIN_BRANCH, expected_seq=0, records=[sound[0], wrong])
        assert saver.read("t", MAIN_BRANCH) == []


def test_vanished_tables_are_a_store_error(path: Path) -> None:
    """Somebody dropped the tables under a running saver."""
    with SqliteSaver(path) as saver:
        grow(saver, "t")
        with closing(sqlite3.connect(path)) as plain, plain:
            plain.executescript("DROP VIEW event_log; DROP TABLE events;")
        with pytest.raises(StoreError, match=r"setup\(\)"):
            saver.tail()


@pytest.mark.parametrize("word", ["off; DROP TABLE events", "", "full"])
def test_synchronous_is_one_of_four_words(path: Path, word: str) -> None:
    """What goes into a PRAGMA is never a caller's text."""
    with pytest.raises(UsageError, match="synchronous"):
        SqliteSaver(path, synchronous=word)  # type: ignore[arg-type]
