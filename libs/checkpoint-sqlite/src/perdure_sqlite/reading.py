"""Reading logs, heads, branches and the list of threads: one statement each, fetched at once, so no lock is kept.

Stored rows are not believed: what is no record of ours raises CorruptEventError with its place.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, NoReturn, TypeAlias

from perdure.append_rules import refuse_deleted
from perdure.errors import CorruptEventError
from perdure.events import Record
from perdure.ports import Branch, Head, ThreadInfo
from perdure_sqlite import statements

Row: TypeAlias = tuple[Any, ...]
"""What SQLite found: any type may stand in any column."""

SHAPE = (str, str, int, str, int, str, str, str, str, int, str, bytes, bytes, int)
"""The types of a record's fields."""
LAST = 2**63 - 1
"""No seq is beyond SQLite's largest integer."""


class Window:
    """Which part of a branch is asked for (see `perdure.ports.Saver.read`)."""

    __slots__ = ("bound", "statement")

    def __init__(
        self, after: int, upto: int | None, limit: int | None, newest_first: bool, kinds: Sequence[str] | None
    ) -> None:
        self.statement = statements.window(kinds=None if kinds is None else len(kinds), newest_first=newest_first)
        self.bound = (after, LAST if upto is None else upto, *(kinds or ()), -1 if limit is None else max(limit, 0))


def read(cursor: sqlite3.Cursor, place: tuple[str, str, str], window: Window) -> list[Record]:
    """Return the records of `place` (tenant, thread, branch) in the window."""
    return as_records(cursor.execute(window.statement, (*place, *window.bound)).fetchall())


def tail(cursor: sqlite3.Cursor, tenant: str, after: int, limit: int) -> list[Record]:
    """Return the tenant's records beyond a position."""
    return as_records(cursor.execute(statements.TAIL, (after, tenant, max(limit, 0))).fetchall())


def as_records(rows: list[Row]) -> list[Record]:
    """Return rows as records; raise CorruptEventError for the first that cannot be one."""
    for row in rows:
        if tuple(map(type, row)) != SHAPE or len(row[11]) != 32:
            _refuse_row(row)
    # The rows have the very shape of records, and this is half the time of Record._make.
    return [tuple.__new__(Record, row) for row in rows]


def _refuse_row(row: Row) -> NoReturn:
    thread_id, branch, seq = row[:3]
    faults = [
        f"{name} is {type(value).__name__}, not {kind.__name__}"
        for name, value, kind in zip(Record._fields, row, SHAPE, strict=True)
        if type(value) is not kind
    ] or [f"hash has {len(row[11])} bytes, not 32"]
    raise CorruptEventError(
        f"Event {seq!r} of thread {thread_id!r}, branch {branch!r} is not what was written: {'; '.join(faults)}."
        " Restore it from a backup.",
        thread_id=str(thread_id),
        branch=str(branch),
        seq=seq if isinstance(seq, int) else 0,
        found="; ".join(faults),
    )


def head(cursor: sqlite3.Cursor, tenant: str, thread_id: str, branch: str | None) -> Head | None:
    """Return where a branch (None: the current one) stands."""
    found = cursor.execute(statements.HEAD, (branch, tenant, thread_id)).fetchone()
    if found is None:
        return None
    deleted, name, seq, hash = found
    if deleted:
        refuse_deleted(thread_id)
    return None if seq is None else Head(name, seq, hash)


def branches(cursor: sqlite3.Cursor, tenant: str, thread_id: str) -> list[Branch]:
    """Return the branches in the order they were opened."""
    return [Branch._make(row) for row in cursor.execute(statements.BRANCHES, (tenant, thread_id)).fetchall()]


def list_threads(cursor: sqlite3.Cursor, tenant: str, after: str, limit: int) -> list[ThreadInfo]:
    """Return the living threads after `after`."""
    rows = cursor.execute(statements.LIST_THREADS, (tenant, after, max(limit, 0))).fetchall()
    return [ThreadInfo(*row) for row in rows]
