"""Appending to one branch, inside a write transaction that the caller has begun and will commit.

One statement finds the thread, the branch and its head; the write lock is held, so what it says stays true. Nothing is
remembered between two appends: another process may have written.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from perdure.append_rules import (
    check_parent,
    refuse_deleted,
    refuse_missing_branch,
    refuse_moved,
    require_chain,
    require_repeat,
)
from perdure.chain import GENESIS
from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Branch, Current
from perdure_sqlite import statements


class Append(NamedTuple):
    """What a caller of `append` asked for."""

    tenant: str
    thread_id: str
    branch: str
    expected_seq: int
    records: Sequence[Record]
    opens: Branch | None
    current: Current


def append(cursor: sqlite3.Cursor, asked: Append) -> int:
    """Append the records and return the position of the last one (see `perdure.ports.Saver.append`)."""
    tenant, thread_id, branch, expected_seq, records, opens, current = asked
    found = cursor.execute(statements.FIND_HEAD, (branch, tenant, thread_id)).fetchone()
    if found is None:
        return add_events(cursor, _open_thread(cursor, asked), records)
    thread_no, deleted, current_branch, branch_no, head_seq, head_hash = found
    if deleted:
        refuse_deleted(thread_id)
    if branch_no is None:
        branch_no = _open_fork(cursor, asked, thread_no)
    elif head_seq != expected_seq or opens is not None:
        return _find_repeat(cursor, asked, branch_no, head_seq or 0)
    else:
        require_chain(head_hash, records, expected_seq=expected_seq)
    if current != "any" and current_branch != branch:
        if current == "stays":
            refuse_moved(asked.thread_id, branch, expected_seq, current_branch)
        cursor.execute(statements.SET_CURRENT, (branch, thread_no))
    return add_events(cursor, branch_no, records)


def _open_thread(cursor: sqlite3.Cursor, asked: Append) -> int:
    if asked.opens is not None:
        check_parent(asked.opens, None)
    if asked.branch != MAIN_BRANCH or asked.expected_seq != 0:
        refuse_missing_branch(asked.thread_id, asked.branch, asked.expected_seq)
    first = asked.records[0]
    require_chain(GENESIS, asked.records, expected_seq=0)
    cursor.execute(statements.ADD_THREAD, (asked.tenant, asked.thread_id, MAIN_BRANCH, first.recorded_at))
    cursor.execute(statements.ADD_BRANCH, (cursor.lastrowid, MAIN_BRANCH, None, 0, None))
    return cursor.lastrowid or 0


def _open_fork(cursor: sqlite3.Cursor, asked: Append, thread_no: int) -> int:
    opens = asked.opens
    if opens is None:
        refuse_missing_branch(asked.thread_id, asked.branch, asked.expected_seq)
    parent = cursor.execute(statements.BRANCH_HEAD, (thread_no, opens.parent)).fetchone()
    check_parent(opens, parent[0] if parent else None)
    cursor.execute(statements.ADD_BRANCH, (thread_no, opens.id, opens.parent, opens.fork_seq, opens.name))
    return cursor.lastrowid or 0


def _find_repeat(cursor: sqlite3.Cursor, asked: Append, branch_no: int, head_seq: int) -> int:
    last = asked.expected_seq + len(asked.records)
    standing = cursor.execute(statements.STANDING, (branch_no, asked.expected_seq, last)).fetchall()
    hashes = [row[0] for row in standing]
    require_repeat(asked.records, hashes, expected_seq=asked.expected_seq, head_seq=head_seq)
    position: int = standing[-1][1]
    return position


def add_events(cursor: sqlite3.Cursor, branch_no: int, records: Sequence[Record]) -> int:
    """Insert the records and return the position of the last one."""
    rows = []
    for record in records:
        payload: bytes | str = record[12]
        try:
            # Text, so that plain SQL can read it as JSON.
            payload = record[12].decode()
        except UnicodeDecodeError:
            payload = record[12]
        rows.append((branch_no, *record[2:12], payload))
    if len(rows) > 1:
        cursor.executemany(statements.ADD_EVENT, rows[:-1])
    # By itself, because `executemany` does not say which rowid it gave.
    cursor.execute(statements.ADD_EVENT, rows[-1])
    return cursor.lastrowid or 0
