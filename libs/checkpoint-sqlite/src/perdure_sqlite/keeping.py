"""Snapshots, and deleting a thread: what a saver does beside the log. Each is one call inside a transaction."""

import sqlite3

from perdure.append_rules import tombstone
from perdure.errors import CorruptEventError
from perdure.ids import MAIN_BRANCH, SystemClock
from perdure.ports import Snapshot
from perdure_sqlite import statements
from perdure_sqlite.append import add_events
from perdure_sqlite.reading import Window, read


def put_snapshot(cursor: sqlite3.Cursor, tenant: str, thread_id: str, snapshot: Snapshot) -> None:
    """Store a snapshot; nothing happens when its thread or branch is gone."""
    branch, seq, hash, payload = snapshot
    cursor.execute(statements.PUT_SNAPSHOT, (seq, hash, payload, branch, tenant, thread_id))


def get_snapshot(cursor: sqlite3.Cursor, tenant: str, thread_id: str, branch: str, upto: int) -> Snapshot | None:
    """Return the newest snapshot that is not beyond `upto`."""
    found = cursor.execute(statements.GET_SNAPSHOT, (tenant, thread_id, branch, upto)).fetchone()
    if found is None:
        return None
    if tuple(map(type, found)) != (str, int, bytes, bytes):
        raise CorruptEventError(
            f"The snapshot at event {found[1]!r} of thread {thread_id!r}, branch {branch!r} is not what was written:"
            " drop the thread's snapshots; nothing but speed is lost.",
            thread_id=thread_id,
            branch=branch,
        )
    return Snapshot._make(found)


def drop_snapshots(cursor: sqlite3.Cursor, tenant: str, thread_id: str) -> int:
    """Drop the thread's snapshots and return how many there were."""
    return cursor.execute(statements.DROP_SNAPSHOTS, (tenant, thread_id)).rowcount


def delete_thread(cursor: sqlite3.Cursor, tenant: str, thread_id: str, actor: str, reason: str | None) -> int:
    """Remove a thread's events, leave its tombstone and return how many were removed."""
    found = cursor.execute(statements.FIND_HEAD, (MAIN_BRANCH, tenant, thread_id)).fetchone()
    if found is None or found[1]:
        return 0
    thread_no, main_no = found[0], found[3]
    newest = read(cursor, (tenant, thread_id, MAIN_BRANCH), Window(0, None, 1, True, None))[0]
    removed: int = cursor.execute(statements.COUNT_EVENTS, (thread_no,)).fetchone()[0]
    stone = tombstone(newest, removed=removed, reason=reason, actor=actor, at=SystemClock().now())
    # First the tombstone, at the top: so no position below it is ever given again.
    position = add_events(cursor, main_no, [stone])
    drop_snapshots(cursor, tenant, thread_id)
    cursor.execute(statements.REMOVE_EVENTS, (thread_no, position))
    cursor.execute(statements.REMOVE_FORKS, (thread_no, MAIN_BRANCH))
    cursor.execute(statements.MARK_DELETED, (MAIN_BRANCH, thread_no))
    return removed
