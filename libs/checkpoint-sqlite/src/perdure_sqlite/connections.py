"""Opening SQLite connections as the saver needs them, and judging one that is borrowed."""

import sqlite3
from pathlib import Path
from typing import Literal, TypeAlias

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


def open_writer(path: str, synchronous: Synchronous, timeout: float) -> sqlite3.Connection:
    """Open the connection that writes. Its busy handler is off: `patiently` waits, and shares more fairly.

    The WAL file is left as large as it grew: overwriting it is faster than growing it again.
    """

    def attempt() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    return patiently(attempt, timeout)


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
