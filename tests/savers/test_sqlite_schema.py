"""The SQLite file as others see it: its schema, its migrations, plain SQL on it, and how its queries are planned."""

import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from perdure.errors import SchemaVersionError, StoreError
from perdure.ids import MAIN_BRANCH
from perdure.testing import BLANK, fork, grow, write_records
from perdure_sqlite import SqliteSaver, schema, statements


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as plain:
        return plain.execute(statement).fetchall()


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as plain, plain:
        plain.execute(statement)


def test_events_are_readable_with_plain_sql(path: Path) -> None:
    """A view joins names to events, and its payloads are JSON text."""
    with SqliteSaver(path, tenant="acme") as saver:
        main = grow(saver, "t", 2, note="hello")
        fork(saver, "f", at=main[0])
    found = rows(
        path,
        "SELECT tenant, thread_id, branch, seq, kind, json_extract(payload, '$.note'), hash FROM event_log LIMIT 2",
    )
    assert found == [("acme", "t", "main", record.seq, "CallRecorded", "hello", record.hash.hex()) for record in main]
    assert rows(path, "SELECT branch FROM event_log WHERE seq = 2 ORDER BY position") == [("main",), ("f",)]


def test_text_is_stored_as_text_and_ciphertext_as_blob(path: Path) -> None:
    """What is UTF-8 can be read in the database; what is not is left alone."""
    with SqliteSaver(path) as saver:
        for thread_id, payload in (("text", b"{}"), ("blob", b"\xff{}")):
            records = write_records(thread_id, like=BLANK._replace(payload=payload))
            saver.append(thread_id, MAIN_BRANCH, expected_seq=0, records=records)
    assert rows(path, "SELECT typeof(payload) FROM events") == [("text",), ("blob",)]


def test_file_is_in_wal_mode(path: Path) -> None:
    """Readers do not wait for writers."""
    with SqliteSaver(path) as saver:
        grow(saver, "t")
        assert rows(path, "PRAGMA journal_mode") == [("wal",)]


def test_migrations_are_numbered_without_gap_and_recorded(path: Path) -> None:
    """Every file is applied once, in order, and the last is the version the code expects."""
    with SqliteSaver(path) as saver:
        saver.setup()
        saver.setup()
    numbers = [number for number, _, _ in schema.migrations()]
    assert numbers == list(range(1, schema.NEWEST + 1))
    names = [(number, name) for number, name, _ in schema.migrations()]
    assert rows(path, "SELECT version, name FROM perdure_schema ORDER BY version") == names


def test_savers_that_begin_at_once_migrate_once(tmp_path: Path) -> None:
    """Whoever gets the lock second finds the schema made, although it had found none before."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for number in range(20):
                start(pool, tmp_path / f"{number}.db")
    finally:
        sys.setswitchinterval(interval)


def start(pool: ThreadPoolExecutor, path: Path) -> None:
    change(path, "PRAGMA journal_mode = WAL")
    barrier = Barrier(4)

    def begin(saver: SqliteSaver) -> None:
        barrier.wait(30)
        saver.setup()
        saver.close()

    list(pool.map(begin, [SqliteSaver(path, synchronous="OFF") for _ in range(4)]))
    assert rows(path, "SELECT count(*) FROM perdure_schema") == [(schema.NEWEST,)]


def test_script_is_split_into_its_statements() -> None:
    """Comments and semicolons inside texts split nothing."""
    script = "-- one; two\nCREATE TABLE a (x);\n\nINSERT INTO a VALUES (';');\n-- the end\n"
    assert [part.strip() for part in schema.split(script)] == [
        "-- one; two\nCREATE TABLE a (x);",
        "INSERT INTO a VALUES (';');",
    ]


def test_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    """A file of a later release is not touched by this one."""
    with SqliteSaver(path) as saver:
        grow(saver, "t")
    change(path, "INSERT INTO perdure_schema VALUES (99, '0099_later.sql', 0)")
    for auto_setup in (True, False):
        with SqliteSaver(path, auto_setup=auto_setup) as saver:
            with pytest.raises(SchemaVersionError, match="99"):
                saver.read("t", MAIN_BRANCH)
            with pytest.raises(SchemaVersionError, match="upgrade"):
                grow(saver, "u")
            with pytest.raises(SchemaVersionError):
                saver.setup()
    assert rows(path, "SELECT count(*) FROM events") == [(1,)]


def test_without_auto_setup_the_error_names_the_call(path: Path) -> None:
    """No schema is made behind the back of someone who said so; `setup()` makes it."""
    with SqliteSaver(path, auto_setup=False) as saver:
        with pytest.raises(StoreError, match=r"saver\.setup\(\)"):
            grow(saver, "t")
        with pytest.raises(StoreError, match=r"saver\.setup\(\)"):
            saver.head("t")
        assert rows(path, "SELECT count(*) FROM sqlite_master") == [(0,)]
        saver.setup()
        assert len(grow(saver, "t")) == 1


def test_tables_of_another_application_are_an_error_and_stay(path: Path) -> None:
    """A migration that cannot be applied is rolled back whole."""
    change(path, "CREATE TABLE events (mine)")
    with SqliteSaver(path) as saver, pytest.raises(StoreError, match="events already exists"):
        grow(saver, "t")
    assert rows(path, "SELECT name FROM sqlite_master") == [("events",)]


def test_utf16_database_is_refused(path: Path) -> None:
    """Texts would not come back as the bytes that went in."""
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("PRAGMA encoding = 'UTF-16'")
        plain.execute("CREATE TABLE mine (x)")
    with SqliteSaver(path) as saver, pytest.raises(StoreError, match="UTF-16"):
        grow(saver, "t")


def test_deleting_leaves_no_orphans(path: Path) -> None:
    """After a deletion nothing refers to what is gone, and only the tombstone is left."""
    with SqliteSaver(path) as saver:
        main = grow(saver, "t", 3)
        fork(saver, "f", at=main[0])
        saver.delete_thread("t")
    assert rows(path, "PRAGMA foreign_key_check") == []
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert rows(path, "SELECT kind FROM events") == [("ThreadDeleted",)]
    assert rows(path, "SELECT branch FROM branches") == [("main",)]


STATEMENTS = {
    name: text
    for name, text in vars(statements).items()
    if isinstance(text, str) and name.isupper() and not name.startswith("_") and "schema" not in text.lower()
} | {
    "window": statements.window(kinds=None, newest_first=False),
    "window backwards": statements.window(kinds=None, newest_first=True),
    "window of kinds": statements.window(kinds=2, newest_first=False),
}


@pytest.mark.parametrize("name", [name for name in STATEMENTS if "VALUES" not in STATEMENTS[name]])
def test_queries_use_indexes(path: Path, name: str) -> None:
    """No statement walks through a table, and only a thread's branches are sorted."""
    with SqliteSaver(path) as saver:
        saver.setup()
    text = STATEMENTS[name]
    with closing(sqlite3.connect(path)) as plain:
        plan = [row[3] for row in plain.execute(f"EXPLAIN QUERY PLAN {text}", [1] * text.count("?"))]
    assert plan
    assert [step for step in plan if step.startswith("SCAN") or ("TEMP B-TREE" in step and name != "BRANCHES")] == []


def test_plan_of_the_tail_starts_at_the_position(path: Path) -> None:
    """Following a saver costs what is new, not what is there."""
    with SqliteSaver(path) as saver:
        saver.setup()
    with closing(sqlite3.connect(path)) as plain:
        plan = [row[3] for row in plain.execute(f"EXPLAIN QUERY PLAN {statements.TAIL}", (0, "", 10))]
    assert plan[0] == "SEARCH e USING INTEGER PRIMARY KEY (rowid>?)"
