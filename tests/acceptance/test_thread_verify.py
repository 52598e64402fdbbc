"""`verify` recomputes a thread's hash chain: whatever was changed behind the saver's back, it names the first event."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypedDict

import pytest

from perdure import START, Saver, StateGraph
from perdure.events import Record
from perdure.thread import Thread
from perdure_memory import InMemorySaver
from tests.acceptance.both_worlds import World

pytestmark = pytest.mark.anyio


class State(TypedDict, total=False):
    text: str


@pytest.fixture
def thread(saver: Saver) -> Thread:
    """A thread with a run on `main`, and a branch that begins after its first step."""
    builder = StateGraph(State).add_node("shout", lambda state: {"text": state["text"].upper()})
    thread = builder.add_edge(START, "shout").compile(saver).thread("t", actor="ada")
    thread.invoke({"text": "quiet"})
    thread.fork(thread.history()[1], name="side").invoke()
    return thread


Forgery = Callable[[list[Record]], list[Record]]


def forge(saver: Saver, database: Path, branch: str, forgery: Forgery) -> None:
    """Replace a branch's stored records behind the saver's back."""
    old = saver.read("t", branch)
    new = forgery(old)
    if isinstance(saver, InMemorySaver):
        saver._threads["t"].lines[branch].records[:] = new
        return
    columns = [name for name in Record._fields if name not in ("thread_id", "branch", "position")]
    with closing(sqlite3.connect(database)) as connection, connection:
        (number,) = connection.execute("SELECT no FROM branches WHERE branch = ?", (branch,)).fetchone()
        connection.execute("DELETE FROM events WHERE branch_no = ?", (number,))
        for record in new:
            values = [getattr(record, column) for column in columns]
            values[-1] = record.payload.decode()
            connection.execute(
                f"INSERT INTO events (branch_no, position, {', '.join(columns)}) VALUES (?, ?{', ?' * len(columns)})",
                (number, record.position, *values),
            )


def at(seq: int, **changes: Any) -> Forgery:
    """Return the forgery that changes columns of one event."""

    def change(records: list[Record]) -> list[Record]:
        return [one._replace(**changes) if one.seq == seq else one for one in records]

    return change


def one_byte(seq: int) -> Forgery:
    """Return the forgery that changes one byte of one event's payload, and leaves it JSON."""

    def change(records: list[Record]) -> list[Record]:
        old = next(one for one in records if one.seq == seq).payload
        place = old.rindex(b'"') - 1
        new = old[:place] + bytes([old[place] ^ 1]) + old[place + 1 :]
        return at(seq, payload=new)(records)

    return change


def without(seq: int) -> Forgery:
    return lambda records: [one for one in records if one.seq != seq]


def without_a_trace(seq: int) -> Forgery:
    """Remove an event and close the gap."""
    return lambda records: [
        one if one.seq < seq else one._replace(seq=one.seq - 1) for one in records if one.seq != seq
    ]


def swapped(seq: int) -> Forgery:
    """Let an event and the next change places."""

    def change(records: list[Record]) -> list[Record]:
        first, second = (next(one for one in records if one.seq == n) for n in (seq, seq + 1))
        new = {seq: second._replace(seq=seq), seq + 1: first._replace(seq=seq + 1)}
        return [new.get(one.seq, one) for one in records]

    return change


FORGERIES: list[tuple[str, Forgery, int]] = [
    ("a byte of the input", one_byte(1), 1),
    ("a byte of a checkpoint", one_byte(3), 3),
    ("a byte of a result", one_byte(4), 4),
    ("an actor", at(3, actor="eve"), 3),
    ("a time", at(2, recorded_at=1), 2),
    ("a kind", at(6, kind="TaskSucceeded"), 6),
    ("a task", at(4, task_id="another"), 4),
    ("a run", at(1, run_id="another"), 1),
    ("a hash", at(5, hash=bytes(32)), 5),
    ("a removed event", without(4), 4),
    ("the first event removed", without(1), 1),
    ("an event removed without a gap", without_a_trace(4), 4),
    ("two events in another order", swapped(4), 4),
]


@pytest.mark.parametrize(("forgery", "seq"), [case[1:] for case in FORGERIES], ids=[case[0] for case in FORGERIES])
async def test_forgery_is_found(
    thread: Thread, saver: Saver, database: Path, world: World, forgery: Forgery, seq: int
) -> None:
    """The problem names thread, branch and the first event that does not hold; events before it are counted."""
    assert (await world(thread, "verify")).ok
    forge(saver, database, "main", forgery)
    found = await world(thread, "verify")
    assert not found
    assert (found.problem.thread_id, found.problem.branch, found.problem.seq) == ("t", "main", seq)
    assert found.events == seq - 1


async def test_forgery_on_a_branch_is_found(thread: Thread, saver: Saver, database: Path, world: World) -> None:
    """A branch continues the chain of the one it begins at; its own events are checked, too."""
    side = thread.branches()[1]
    forge(saver, database, side.id, at(side.fork_seq + 2, actor="eve"))
    found = await world(thread, "verify")
    assert (found.problem.branch, found.problem.seq) == (side.id, side.fork_seq + 2)


async def test_branch_moved_to_another_place_is_found(
    thread: Thread, saver: Saver, database: Path, world: World
) -> None:
    """A branch's first event follows the hash of the event it begins at and no other."""
    side = thread.branches()[1]
    before = saver.read("t", "main")
    rewritten = before[side.fork_seq - 1]._replace(hash=bytes(32))
    forge(saver, database, "main", lambda records: [rewritten if one.seq == side.fork_seq else one for one in records])
    assert (await world(thread, "verify")).problem.seq == side.fork_seq


async def test_what_holds_is_counted(thread: Thread, world: World) -> None:
    """A sound thread: every event of every branch, once."""
    found = await world(thread, "verify")
    main, side = thread.branches()
    assert (found.ok, found.problem, found.branches) == (True, None, 2)
    assert found.events == main.head_seq + side.head_seq - side.fork_seq
