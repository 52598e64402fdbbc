"""Opening SQLite connections as the saver needs them, and judging one that is borrowed."""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, TypeAlias

from perdure.errors import UsageError
from perdure_sqlite.patience import patiently

Synchronous: TypeAlias = Literal["FULL", "NORMAL", "OFF", "EXTRA"]
SYNCHRONOUS: tuple[Synchronous, ...] = ("FULL", "NORMAL", "OFF", "EXTRA")
MEMORY = ":memory:"


def resolve(path: str | Path) -> str:
    """Return the path to open: absolute, so that a later change of directory makes no second database."""
    if str(path) == "":
        raise UsageError('The path of the SQLite database is empty; pass a file name, or ":memory:".')
    return MEMORY if str(path) == MEMORY else str(Path(path).absolute())


WAL_SIZE: Final = 4_140_000
"""Bytes: a little more than the 1,000 pages after which SQLite writes the WAL back."""
CACHE_SIZE: Final = -2000
"""SQLite's own default: 2,000 KiB of pages."""


def open_writer(path: str, synchronous: Synchronous, timeout: float) -> sqlite3.Connection:
    """Open the connection that writes. Its busy handler is off: `patiently` waits, and shares more fairly.

    The WAL file is left as large as it grew, and begins so: overwriting it is faster than growing it.
    """

    def attempt() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute("PRAGMA foreign_keys = ON")
            if synchronous == "FULL":
                _grow_wal(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection

    return patiently(attempt, timeout)


def _grow_wal(connection: sqlite3.Connection, path: str) -> None:
    """Let the WAL file have the size that it reaches between two checkpoints anyway.

    A commit that overwrites takes about two thirds of the time of one that makes the file longer. What is written here
    is rolled back, so the database itself does not grow. Whatever hinders it (a busy neighbour, no room) is no fault.
    """
    log = Path(f"{path}-wal")
    with suppress(OSError, sqlite3.Error):
        if path == MEMORY or (log.exists() and log.stat().st_size >= WAL_SIZE):
            return
        connection.execute("PRAGMA cache_size = 10")  # pages that do not fit are written to the WAL before the commit
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE perdure_room (x)")
        connection.execute("INSERT INTO perdure_room VALUES (zeroblob(?))", (WAL_SIZE,))
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    connection.execute(f"PRAGMA cache_size = {CACHE_SIZE}")


def open_reader(path: str, timeout: float) -> sqlite3.Connection:
    """Open a connection that cannot write."""
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def judge_borrowed(connection: sqlite3.Connection) -> str:
    """Return what to call a borrowed connection's database; raise UsageError if its settings bend what is stored."""
    if connection.text_factory is not str:
        raise UsageError("The borrowed connection has a text_factory of its own: leave it at str.")
    if getattr(connection, "autocommit", None) is False:
        raise UsageError("The borrowed connection has autocommit=False: the saver begins and commits by itself.")
    for _, name, file in connection.cursor().execute("PRAGMA database_list").fetchall():
        if name == "main" and file:
            return str(file)
    return MEMORY
