"""Crashes: a process is killed (SIGKILL) at or around what it does; the next one finds all of each thing or nothing.

What was acknowledged stays. What was under way when the process died is there wholly or not at all. The next process
goes on without mending anything.
"""

from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import monotonic, sleep
from typing import ClassVar

from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.testing.conformance.processes import ManyProcesses, Together
from perdure.testing.conformance.suite import Connect, unplaced
from perdure.testing.contender import PATIENCE
from perdure.testing.records import write_records
from perdure.testing.victim import (
    LAST_WORDS,
    SIZE,
    SNAPSHOT_BYTES,
    TIMES,
    Act,
    append_batches,
    delete_again,
    delete_threads,
    go_on,
    numbered,
    open_forks,
    put_snapshots,
    set_up,
    until_killed,
)

VICTIMS = {"early": 0.2, "late": 0.6}
"""Processes that are killed, and when: at this part of the time that the things before took at least."""
SETTING_UP = 0.02
"""Seconds that preparing may take, for want of a thing before."""


def _kill(connect: Connect, act: Act, name: str, things: int) -> int:
    """Let a process prepare and do `things`, kill it while it does the next; return how many it told were done."""
    spawn = get_context("spawn")
    ours, theirs = spawn.Pipe()
    child = spawn.Process(target=until_killed, args=(connect, act, name, theirs))
    child.start()
    theirs.close()
    with ours:
        try:
            _lead(ours, VICTIMS[name], things)
        finally:
            child.kill()
            child.join()
        return things + _was_done(ours)


def _lead(pipe: "Connection[bytes, bytes]", part: float, things: int) -> None:
    """Give leave to prepare and for `things`, then for one more, and wait for a part of the time that it may take."""
    _hear(pipe)
    took: list[float] = []
    for _ in range(things + 1 if things else 0):
        began = monotonic()
        pipe.send_bytes(b"go")
        _hear(pipe)
        took.append(monotonic() - began)
    pipe.send_bytes(b"go")
    # The first was preparing.
    sleep(min(took[1:], default=SETTING_UP) * part)


def _hear(pipe: "Connection[bytes, bytes]") -> None:
    assert pipe.poll(PATIENCE), f"The process did nothing for {PATIENCE} seconds."
    pipe.recv_bytes()


def _was_done(pipe: "Connection[bytes, bytes]") -> bool:
    try:
        return bool(pipe.recv_bytes())
    except (EOFError, ConnectionResetError):  # reset: it was killed before it knew that it had leave
        return False


def _crash(together: Together, act: Act, things: int = 3) -> dict[str, int]:
    """Kill all victims, which act at once; return how many things each told were done."""
    with ThreadPoolExecutor(len(VICTIMS)) as killers:
        doing = {name: killers.submit(_kill, together.connect, act, name, things) for name in VICTIMS}
        return {name: one.result() for name, one in doing.items()}


def _batches(records: list[Record], name: str) -> int:
    """Assert that these are whole batches and the record of the process that went on; return how many batches."""
    written = write_records(name, len(records) - 1)
    last = write_records(name, after=written[-1] if written else None, note=LAST_WORDS)
    assert unplaced(records) == written + last
    assert len(written) % SIZE == 0
    return len(written) // SIZE


class CrashClauses(ManyProcesses):
    """Processes that end without a word."""

    capability: ClassVar[str] = "crash"

    def test_killed_while_opening_the_storage(self, together: Together) -> None:
        """Whatever was made of the schema and of the first append, the next process goes on from it."""
        for name, done in _crash(together, set_up, things=0).items():
            found = together.result(go_on, name)
            assert _batches(found.lines[MAIN_BRANCH], name) in (done, 1)

    def test_killed_while_appending(self, together: Together) -> None:
        """Each append that returned is there, the one under way is there wholly or not at all, and the next follows."""
        for name, done in _crash(together, append_batches).items():
            found = together.result(go_on, name)
            assert _batches(found.lines[MAIN_BRANCH], name) in (done, done + 1)

    def test_killed_while_forking(self, together: Together) -> None:
        """A fork is there with all its first records, or not at all."""
        for name, done in _crash(together, open_forks).items():
            (root, last), *forks = together.result(go_on, name).lines.values()
            assert last.seq == 2
            assert len(forks) in (done, done + 1)
            for number, records in enumerate(forks):
                assert unplaced(records) == write_records(name, SIZE, branch=f"f{number}", after=root)

    def test_killed_while_storing_a_snapshot(self, together: Together) -> None:
        """The snapshot is the one before or the one after; it is neither lost nor a mixture."""
        for name, done in _crash(together, put_snapshots).items():
            found = together.result(go_on, name).snapshot
            assert found is not None
            number = found.hash[0]
            assert number + 1 in (done, done + 1)
            assert found.hash == bytes([number]) * 32
            assert found.payload == bytes([number]) * SNAPSHOT_BYTES

    def test_killed_while_deleting(self, together: Together) -> None:
        """A thread is there with all its events or is a tombstone, and deleting it again ends what was begun."""
        for name, done in _crash(together, delete_threads).items():
            finds = [together.result(delete_again, numbered(name, number)) for number in range(TIMES)]
            removed = [one.removed for one in finds]
            assert removed[:done] == [0] * done
            assert removed[done] in (0, 2 * SIZE)
            assert removed[done + 1 :] == [2 * SIZE] * (TIMES - done - 1)
            for one in finds:
                assert [(stone.kind, stone.seq) for stone in one.lines[MAIN_BRANCH]] == [("ThreadDeleted", SIZE + 1)]
                assert (one.lines["f"], one.snapshot) == ([], None)
