"""Forks of a process that has a saver open, and savers that nobody closed."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from perdure_postgres import PostgresSaver
from tests.postgres.cluster import Cluster

ROOT = Path(__file__).parents[2]


def run(script: str, *arguments: str) -> str:
    """Run a program in a fresh process, where a forgotten resource is an error; return what it printed."""
    # Forking beside threads is what is tested, and Python 3.12 and newer warn of it.
    words = ["-X", "dev", "-W", "error", "-W", "ignore:This process:DeprecationWarning"]
    command = [sys.executable, *words, "-c", script, *arguments]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (child.returncode, child.stderr) == (0, "")
    return child.stdout


@pytest.fixture
def looker(postgres: Cluster, postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with postgres.admin(postgres_url) as connection:
        yield connection


def sessions(looker: psycopg.Connection[Any]) -> int:
    """Return how many others are connected to the database."""
    found = looker.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchone()
    assert found is not None
    return int(found[0])


def wait_until_gone(looker: psycopg.Connection[Any]) -> None:
    deadline = time.monotonic() + 10
    while sessions(looker):
        assert time.monotonic() < deadline, f"{sessions(looker)} sessions are left"
        time.sleep(0.01)


FORKING = """
import asyncio, os, sys, threading
from perdure.testing import grow, write_records
from perdure_postgres import PostgresSaver

def use(saver, name):
    last = grow(saver, name, 2)[-1]
    records = write_records(name, 2, after=last)
    asyncio.run(saver.aappend(name, "main", expected_seq=2, records=records))
    assert len(saver.read(name, "main")) == len(asyncio.run(saver.aread(name, "main"))) == 4

def child_of(act, leave):
    pid = os.fork()
    if pid == 0:
        act()
        leave(0)
    return pid

saver = PostgresSaver(sys.argv[1], notify=True)
use(saver, "before")
stop = threading.Event()

def hammer():
    last = None
    while not stop.is_set():
        last = grow(saver, "hammered", after=last)[-1]
        saver.tail(limit=5)

thread = threading.Thread(target=hammer)
thread.start()

def live():
    use(saver, f"child {os.getpid()}")
    saver.close()

children = [child_of(live, leave) for leave in (os._exit, sys.exit, sys.exit)]
use(saver, "parent")
codes = [os.waitpid(pid, 0)[1] for pid in children]
use(saver, "parent, later")
stop.set()
thread.join()
assert codes == [0] * 3, codes
assert len(saver.list_threads()) == 7
saver.close()
"""


def test_fork_after_opening(postgres_url: str, looker: psycopg.Connection[Any]) -> None:
    """Parent and children go on with connections of their own, even when another thread was writing at the fork; no
    child that ends, or closes the saver, takes the parent's sessions with it.
    """
    run(FORKING, postgres_url)
    wait_until_gone(looker)


LEAVING = """
import asyncio, gc, os, sys
from perdure.testing import grow
from perdure_postgres import PostgresSaver

def leave(name):
    saver = PostgresSaver(sys.argv[1])
    grow(saver, name)
    asyncio.run(saver.atail())

leave("a")
gc.collect()
leave("b")
saver = PostgresSaver(sys.argv[1])
grow(saver, "c")
if sys.argv[2] == "fork":
    pid = os.fork()
    if pid == 0:
        sys.exit(0)
    os.waitpid(pid, 0)
print(len(saver.list_threads()))
"""


@pytest.mark.parametrize("how", ["end", "fork"])
def test_saver_that_nobody_closed(postgres_url: str, looker: psycopg.Connection[Any], how: str) -> None:
    """It says nothing and keeps nothing, neither when it is forgotten nor at the end of the process."""
    assert run(LEAVING, postgres_url, how) == "3\n"
    wait_until_gone(looker)


def test_closing_ends_all_sessions_and_threads(postgres_url: str, looker: psycopg.Connection[Any]) -> None:
    """What a saver opened is gone when it is closed, not some time later."""
    program = """
import asyncio, sys, threading
from perdure.testing import grow, write_records
from perdure_postgres import PostgresSaver

async def session(saver):
    names = [f"t{number}" for number in range(20)]
    await asyncio.gather(*(saver.aappend(n, "main", expected_seq=0, records=write_records(n)) for n in names))
    await asyncio.gather(*(saver.ahead(name) for name in names))
    await saver.aclose()

for _ in range(3):
    saver = PostgresSaver(sys.argv[1], notify=True, tenant=str(_))
    grow(saver, "t")
    asyncio.run(session(saver))
    left = [thread.name for thread in threading.enumerate()]
    assert left == ["MainThread"], left
sys.stdin.readline()
"""
    command = [sys.executable, "-c", program, postgres_url]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        deadline = time.monotonic() + 20
        with PostgresSaver(postgres_url, tenant="2") as saver:
            while len(saver.list_threads()) < 21:
                assert child.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
        wait_until_gone(looker)
        assert child.poll() is None
        assert child.communicate("go\n", timeout=20)[1] == ""
    assert child.returncode == 0


def test_one_event_loop_after_another(postgres_url: str) -> None:
    """One saver serves loops that come and go, and several at once."""
    program = """
import asyncio, sys, threading
from perdure.testing import write_records
from perdure_postgres import PostgresSaver

async def session(name):
    records = write_records(name, 2)
    await saver.aappend(name, "main", expected_seq=0, records=records)
    assert len(await saver.aread(name, "main")) == 2

saver = PostgresSaver(sys.argv[1])
for number in range(3):
    asyncio.run(session(f"after {number}"))
threads = [threading.Thread(target=lambda n=n: asyncio.run(session(f"beside {n}"))) for n in range(5)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(saver.list_threads()))
saver.close()
saver.close()
"""
    assert run(program, postgres_url) == "8\n"
