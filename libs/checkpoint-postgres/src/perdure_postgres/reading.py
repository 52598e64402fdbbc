"""Reading the log: windows of a branch, heads, branches, threads and the tail, as flows of one statement each."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from perdure.append_rules import refuse_deleted
from perdure.errors import CorruptEventError
from perdure.events import Record
from perdure.ports import Branch, Head, ThreadInfo
from perdure_postgres import statements
from perdure_postgres.effects import Connection, Execute, Flow, Row
from perdure_postgres.statements import Names

LAST = 2**63 - 1
"""No seq is beyond a bigint."""


class Window(NamedTuple):
    """Which part of a branch is asked for (see `perdure.ports.Saver.read`)."""

    after: int
    upto: int | None
    limit: int | None
    newest_first: bool
    kinds: Sequence[str] | None


class Shelf(NamedTuple):
    """Whose threads these are, and in which schema."""

    names: Names
    tenant: str


def read(connection: Connection, shelf: Shelf, thread_id: str, branch: str, window: Window) -> Flow[list[Record]]:
    """Return the branch's own records in the window."""
    after, upto, limit, newest_first, kinds = window
    bound: dict[str, Any] = {
        "tenant": shelf.tenant,
        "thread": thread_id,
        "branch": branch,
        "after": _bounded(after),
        "upto": LAST if upto is None else _bounded(upto),
        "limit": None if limit is None else max(limit, 0),
        "kinds": list(kinds or ()),
    }
    statement = statements.window(of_kinds=kinds is not None, newest_first=newest_first)
    rows: list[Row] = yield Execute(connection, shelf.names(statement), bound)
    return as_records(rows)


def _bounded(seq: int) -> int:
    return max(-1, min(seq, LAST))


def tail(connection: Connection, shelf: Shelf, after: int, limit: int) -> Flow[list[Record]]:
    """Return the tenant's records beyond a position, up to where no open transaction can add one."""
    bound = {"tenant": shelf.tenant, "after": _bounded(after), "limit": max(limit, 0)}
    rows: list[Row] = yield Execute(connection, shelf.names(statements.TAIL), bound)
    return as_records(rows)


def as_records(rows: list[Row]) -> list[Record]:
    """Return rows as records; raise CorruptEventError for the first that cannot be one."""
    for row in rows:
        if len(row[11]) != 32 or row[14]:
            return [_mend(row) for row in rows]
    # The rows have the very shape of records, and this is half the time of Record._make.
    return [tuple.__new__(Record, row[:14]) for row in rows]


def _mend(row: Row) -> Record:
    """Return a row whose texts stand elsewhere as a record."""
    complaint = None if len(row[11]) == 32 else f"hash has {len(row[11])} bytes, not 32"
    record = Record._make(row[:14])
    if row[14]:
        try:
            kind, run_id, namespace, checkpoint_id, task_id, actor = orjson.loads(row[14])
            record = record._replace(
                kind=kind, run_id=run_id, namespace=namespace, checkpoint_id=checkpoint_id, task_id=task_id, actor=actor
            )
        except ValueError as exc:
            complaint = f"its exact texts cannot be read ({type(exc).__name__})"
    if complaint is not None:
        raise CorruptEventError(
            f"Event {record.seq} of thread {record.thread_id!r}, branch {record.branch!r} is not what was written:"
            f" {complaint}. Restore it from a backup.",
            thread_id=record.thread_id,
            branch=record.branch,
            seq=record.seq,
            found=complaint,
        )
    return record


def head(connection: Connection, shelf: Shelf, thread_id: str, branch: str | None) -> Flow[Head | None]:
    """Return where a branch (None: the current one) stands."""
    bound = {"tenant": shelf.tenant, "thread": thread_id, "branch": branch}
    rows: list[Row] = yield Execute(connection, shelf.names(statements.HEAD), bound)
    if not rows:
        return None
    deleted, name, seq, hash = rows[0]
    if deleted:
        refuse_deleted(thread_id)
    return None if seq is None else Head(name, seq, hash)


def branches(connection: Connection, shelf: Shelf, thread_id: str) -> Flow[list[Branch]]:
    """Return the branches in the order they were opened."""
    bound = {"tenant": shelf.tenant, "thread": thread_id}
    rows: list[Row] = yield Execute(connection, shelf.names(statements.BRANCHES), bound)
    return [Branch._make(row) for row in rows]


def list_threads(connection: Connection, shelf: Shelf, after: str, limit: int) -> Flow[list[ThreadInfo]]:
    """Return the living threads after `after`."""
    bound = {"tenant": shelf.tenant, "after": after, "limit": max(limit, 0)}
    rows: list[Row] = yield Execute(connection, shelf.names(statements.LIST_THREADS), bound)
    return [ThreadInfo(*row) for row in rows]
