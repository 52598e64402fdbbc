"""What a process does until it is killed, and what the process after it finds. Imports no pytest: both must start fast.

An act is a generator that does one thing between two yields, what comes before the first being preparation. Its process
waits for leave before each thing and tells after it, so that who kills it knows what it was doing.
"""

from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import NamedTuple, TypeAlias

from perdure.errors import ThreadDeletedError
from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Branch, Saver, Snapshot
from perdure.testing.contender import append_one
from perdure.testing.records import fork, grow, write_records

Act: TypeAlias = Callable[[Saver, str], Iterator[None]]

SIZE = 200
"""Records that are appended at once."""
TIMES = 10
"""How often an act can be repeated."""
SNAPSHOT_BYTES = 1_000_000
LAST_WORDS = "after the crash"
"""The note in the record of the process that goes on."""


class Remains(NamedTuple):
    """What a thread looks like after a crash."""

    lines: dict[str, list[Record]]
    """Each branch's own records."""
    snapshot: Snapshot | None
    removed: int | None = None
    """How many records a deletion found to remove, if there was one."""


def until_killed(connect: Callable[[], Saver], act: Act, name: str, pipe: "Connection[bytes, bytes]") -> None:
    """Open a saver and act, with leave for each step; whoever gives leave will not come to the end."""
    pipe.send_bytes(b"here")
    pipe.recv_bytes()
    with connect() as saver:
        for _ in act(saver, name):
            pipe.send_bytes(b"done")
            pipe.recv_bytes()
    raise TimeoutError(f"Nobody killed the process that was to be killed at {act.__name__}.")


def set_up(saver: Saver, name: str) -> Iterator[None]:
    """Open storage that may not exist yet and begin a thread: all of it preparation."""
    saver.setup()
    grow(saver, name, SIZE)
    yield


def append_batches(saver: Saver, name: str) -> Iterator[None]:
    """Append to a thread's main branch, `SIZE` records at once."""
    records = write_records(name, SIZE * TIMES)
    for seq in range(0, len(records), SIZE):
        yield
        saver.append(name, MAIN_BRANCH, expected_seq=seq, records=records[seq : seq + SIZE])


def open_forks(saver: Saver, name: str) -> Iterator[None]:
    """Open forks of a thread's first record, each with `SIZE` records of its own."""
    root = grow(saver, name)[0]
    for number in range(TIMES):
        records = write_records(name, SIZE, branch=f"f{number}", after=root)
        yield
        opens = Branch(f"f{number}", parent=MAIN_BRANCH, fork_seq=1)
        saver.append(name, f"f{number}", expected_seq=1, records=records, opens=opens)


def put_snapshots(saver: Saver, name: str) -> Iterator[None]:
    """Replace a thread's snapshot again and again; all bytes of one are the same."""
    grow(saver, name)
    for number in range(TIMES):
        mark = bytes([number])
        yield
        saver.put_snapshot(name, Snapshot(MAIN_BRANCH, 1, mark * 32, mark * SNAPSHOT_BYTES))


def delete_threads(saver: Saver, name: str) -> Iterator[None]:
    """Delete threads that have `SIZE` records on each of two branches, and a snapshot."""
    for number in range(TIMES):
        thread_id = numbered(name, number)
        fork(saver, "f", at=grow(saver, thread_id, SIZE)[0], count=SIZE)
        saver.put_snapshot(thread_id, Snapshot(MAIN_BRANCH, 1, bytes(32), b"{}"))
    for number in range(TIMES):
        yield
        saver.delete_thread(numbered(name, number))


def numbered(name: str, number: int) -> str:
    """Return the id of one of several threads."""
    return f"{name}-{number}"


def go_on(connect: Callable[[], Saver], thread_id: str) -> Remains:
    """Append one more record to a thread, as a process does that never saw it before, and look at it."""
    with connect() as saver:
        append_one(saver, thread_id, LAST_WORDS)
        return _look(saver, thread_id, [branch.id for branch in saver.branches(thread_id)])


def delete_again(connect: Callable[[], Saver], thread_id: str) -> Remains:
    """Delete a thread that may be deleted already, and look at it."""
    with connect() as saver:
        removed = saver.delete_thread(thread_id)
        try:
            saver.head(thread_id)
        except ThreadDeletedError:
            return _look(saver, thread_id, [MAIN_BRANCH, "f"])._replace(removed=removed)
    raise AssertionError(f"Thread {thread_id!r} was deleted, and it can be read.")


def _look(saver: Saver, thread_id: str, branches: list[str]) -> Remains:
    lines = {branch: saver.read(thread_id, branch) for branch in branches}
    return Remains(lines, saver.get_snapshot(thread_id, MAIN_BRANCH, upto=1))
