"""Snapshots, and deleting a thread: what a saver does beside the log, as flows."""

from psycopg.errors import UniqueViolation

from perdure.append_rules import tombstone
from perdure.errors import StoreUnavailableError
from perdure.ids import MAIN_BRANCH, SystemClock
from perdure.ports import Snapshot
from perdure_postgres import statements
from perdure_postgres.append import write_rows
from perdure_postgres.effects import Connection, Execute, Flow, Row, is_inside, together
from perdure_postgres.reading import Shelf, Window, read


def put_snapshot(connection: Connection, shelf: Shelf, thread_id: str, snapshot: Snapshot) -> Flow[None]:
    """Store a snapshot; nothing happens when its thread or branch is gone."""
    branch, seq, hash, payload = snapshot
    place = {"tenant": shelf.tenant, "thread": thread_id, "branch": branch}
    yield Execute(
        connection,
        shelf.names(statements.PUT_SNAPSHOT),
        {**place, "seq": seq, "hash": hash, "payload": payload},
    )


def get_snapshot(connection: Connection, shelf: Shelf, thread_id: str, branch: str, upto: int) -> Flow[Snapshot | None]:
    """Return the newest snapshot that is not beyond `upto`."""
    place = {"tenant": shelf.tenant, "thread": thread_id, "branch": branch, "upto": upto}
    rows: list[Row] = yield Execute(connection, shelf.names(statements.GET_SNAPSHOT), place)
    return Snapshot._make(rows[0]) if rows else None


def drop_snapshots(connection: Connection, shelf: Shelf, thread_id: str) -> Flow[int]:
    """Drop the thread's snapshots and return how many there were."""
    place = {"tenant": shelf.tenant, "thread": thread_id}
    rows: list[Row] = yield Execute(connection, shelf.names(statements.DROP_SNAPSHOTS), place)
    return len(rows)


class Deletion:
    """What a caller of `delete_thread` asked for, and what was done for it: the answer may be lost on its way."""

    def __init__(self, actor: str, reason: str | None) -> None:
        self.actor = actor
        self.reason = reason
        self.stone = b""
        """The hash of the tombstone that was written last."""
        self.removed = 0


def delete_thread(connection: Connection, shelf: Shelf, thread_id: str, deletion: Deletion) -> Flow[int]:
    """Remove a thread's events, leave its tombstone and return how many were removed."""
    while True:
        try:
            return (yield from together(connection, _delete(connection, shelf, thread_id, deletion)))
        except UniqueViolation:
            # A writer stood where the tombstone was to stand, and has committed; the next look sees it, but for one
            # in a transaction of the caller's.
            if is_inside(connection):
                raise StoreUnavailableError(
                    f"Thread {thread_id!r} was written to by another transaction: roll back, and delete it anew."
                ) from None


def _delete(connection: Connection, shelf: Shelf, thread_id: str, deletion: Deletion) -> Flow[int]:
    names, tenant = shelf
    place = {"tenant": tenant, "thread": thread_id, "branch": MAIN_BRANCH}
    marked: list[Row] = yield Execute(connection, names(statements.MARK_DELETED), place)
    found = yield from read(connection, shelf, thread_id, MAIN_BRANCH, Window(0, None, 1, True, None))
    if not marked:
        return deletion.removed if found and found[0].hash == deletion.stone else 0
    newest = found[0]
    heads: list[Row] = yield Execute(connection, names(statements.FIND_HEAD), place)
    counted: list[Row] = yield Execute(connection, names(statements.COUNT_EVENTS), place)
    removed: int = counted[0][0]
    stone = tombstone(newest, removed=removed, reason=deletion.reason, actor=deletion.actor, at=SystemClock().now())
    deletion.stone, deletion.removed = stone.hash, removed
    bound = {"tenant": tenant, "expected": newest.seq, "no": heads[0][0], "rows": write_rows([stone])}
    added: list[Row] = yield Execute(connection, names(statements.ADD_EVENTS), bound)
    yield from drop_snapshots(connection, shelf, thread_id)
    yield Execute(connection, names(statements.ALLOW_DELETE), {"allowed": "on"})
    yield Execute(connection, names(statements.REMOVE_EVENTS), {**place, "stone": added[0][0]})
    yield Execute(connection, names(statements.ALLOW_DELETE), {"allowed": "off"})
    yield Execute(connection, names(statements.REMOVE_FORKS), place)
    return removed
