"""Several processes on one SQLite file: forks of a process that has it open, and many writers at once."""

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from perdure.testing.contender import work
from perdure_sqlite import SqliteSaver, patience


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def test_four_processes_append_without_an_error(path: Path) -> None:
    """Writers on threads of their own are never told that the database is locked, with durable commits."""
    connect = partial(SqliteSaver, path)
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        given = list(pool.map(work, [connect] * 4, ["a", "b", "c", "d"], [200] * 4, [4] * 4))
    assert len({position for positions in given for position in positions}) == 800
    with SqliteSaver(path) as saver:
        assert [len(saver.read(thread_id, "main")) for thread_id in "abcd"] == [400] * 4


FORKING = """
import asyncio, os, sys, threading
from perdure.testing import grow, write_records
from perdure_sqlite import SqliteSaver

def use(saver, name):
    last = grow(saver, name, 2)[-1]
    records = write_records(name, 2, after=last)
    asyncio.run(saver.aappend(name, "main", expected_seq=2, records=records))
    assert len(saver.read(name, "main")) == len(asyncio.run(saver.aread(name, "main"))) == 4

def child_of(act):
    pid = os.fork()
    if pid == 0:
        try:
            act()
            os._exit(0)
        except BaseException as exc:
            print(f"{type(exc).__name__}: {exc}", file=sys.stderr, flush=True)
            os._exit(1)
    return pid

saver = SqliteSaver(sys.argv[1])
use(saver, "before")
stop = threading.Event()

def hammer():
    last = None
    while not stop.is_set():
        last = grow(saver, "hammered", after=last)[-1]
        saver.tail(limit=5)

thread = threading.Thread(target=hammer)
thread.start()
children = [child_of(lambda: use(saver, f"child {os.getpid()}")) for _ in range(5)]
use(saver, "parent")
codes = [os.waitpid(pid, 0)[1] for pid in children]
stop.set()
thread.join()
assert codes == [0] * 5, codes
assert len(saver.list_threads()) == 8
saver.close()
"""


def run(script: str, path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (child.returncode, child.stderr) == (0, "")


def test_fork_after_opening(path: Path) -> None:
    """Parent and children go on with connections of their own, even when another thread was writing at the fork."""
    run(FORKING, path)


LOCKS = """
import os, sys
from perdure.testing import grow
from perdure_sqlite import SqliteSaver

saver = SqliteSaver(sys.argv[1])
last = grow(saver, "t", 2)[-1]
ready, done = os.pipe(), os.pipe()
pid = os.fork()
if pid == 0:
    grow(saver, "child")
    os.write(ready[1], b"x")
    os.read(done[0], 1)
    grow(saver, "child again")
    assert [thread.thread_id for thread in saver.list_threads()] == ["child", "child again", "later", "t"]
    saver.close()
    os._exit(0)
os.read(ready[0], 1)
saver.close()
assert os.path.exists(sys.argv[1] + "-wal"), "the log that the child writes to was removed"
with SqliteSaver(sys.argv[1]) as later:
    grow(later, "later")
os.write(done[1], b"x")
assert os.waitpid(pid, 0)[1] == 0
"""


def test_child_holds_locks_of_its_own(path: Path) -> None:
    """A parent that closes its connections does not take the write-ahead log from under its child."""
    run(LOCKS, path)


def test_waiting_grows_impatient_then_calm() -> None:
    """Who has waited longer asks more often, and so is likelier to be next; who waits very long asks rarely."""
    pauses = [patience._pause(waited) for waited in (0.0, 0.001, 0.003, 0.005, 0.1)]
    assert pauses == sorted(pauses, reverse=True)
    assert pauses[0] > 5 * pauses[-1] > 0
    assert patience._pause(10.0) > pauses[0]
