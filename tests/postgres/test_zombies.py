"""Processes that are frozen in the middle of a transaction: the others go on, and who thaws writes nothing twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from perdure.ids import MAIN_BRANCH
from perdure.testing import grow, write_records
from perdure.testing.conformance.suite import unplaced
from perdure_postgres import PostgresSaver
from tests.postgres.server import Server

ROOT = Path(__file__).parents[2]
FROZEN = """
import os, signal, sys
from perdure.errors import PerdureError
from perdure.ports import Branch
from perdure.testing import write_records
from perdure_postgres import PostgresSaver, worlds

execute = worlds.ThreadHands.execute

def freezing(self, connection, statement, params):
    if statement == b"COMMIT":
        worlds.ThreadHands.execute = execute
        os.kill(os.getpid(), signal.SIGSTOP)
    return execute(self, connection, statement, params)

with PostgresSaver(sys.argv[1]) as saver:
    first = saver.read("t", "main")[0]
    records = write_records("t", 2, branch="f", after=first)
    worlds.ThreadHands.execute = freezing
    try:
        saver.append("t", "f", expected_seq=1, records=records, opens=Branch("f", "main", 1), current=sys.argv[2])
        print("made")
    except PerdureError as error:
        print(type(error).__name__)
"""
PATIENCE = 20.0


@contextmanager
def frozen(url: str, current: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a process that opens a fork and is stopped just before it commits."""
    command = [sys.executable, "-c", FROZEN, url, current]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
            yield process
        finally:
            process.kill()


def thaw(process: "subprocess.Popen[str]") -> str:
    """Let a frozen process go on; return what it says."""
    process.send_signal(signal.SIGCONT)
    return process.communicate(timeout=PATIENCE)[0].strip()


def test_others_append_while_one_is_frozen(postgres_url: str) -> None:
    """It holds the thread's row, which who just appends to a branch does not need."""
    with PostgresSaver(postgres_url) as saver:
        first = grow(saver, "t", 2)
        with frozen(postgres_url, "any") as process:
            started = time.monotonic()
            more = grow(saver, "t", 3, after=first[-1])
            grow(saver, "u")
            assert unplaced(saver.read("t", MAIN_BRANCH)) == first + more
            assert [one.id for one in saver.branches("t")] == [MAIN_BRANCH]
            assert time.monotonic() - started < PATIENCE / 2
            assert thaw(process) == "made"
        assert [one.id for one in saver.branches("t")] == [MAIN_BRANCH, "f"]
        assert len(saver.read("t", "f")) == 2


@pytest.mark.parametrize("current", ["any", "becomes"])
def test_server_ends_the_session_of_one_that_is_frozen(own_postgres: Server, current: str) -> None:
    """With idle_in_transaction_session_timeout nobody waits longer than it says; who thaws finds its transaction gone,
    makes it again, and is not doubled.
    """
    own_postgres.configure({"idle_in_transaction_session_timeout": "500ms"})
    with own_postgres.database() as url, PostgresSaver(url) as saver, ThreadPoolExecutor(1) as pool:
        first = grow(saver, "t", 2)
        with frozen(url, current) as process:
            records = write_records("t", 2, after=first[-1])
            waiting = pool.submit(
                saver.append, "t", MAIN_BRANCH, expected_seq=2, records=records, current="stays"
            )  # fmt: skip
            waiting.result(PATIENCE)
            assert [one.id for one in saver.branches("t")] == [MAIN_BRANCH]
            assert thaw(process) == "made"
        assert unplaced(saver.read("t", MAIN_BRANCH)) == first + records
        assert len(saver.read("t", "f")) == 2
        head = saver.head("t")
        assert head is not None
        assert head.branch == (MAIN_BRANCH if current == "any" else "f")


INTERRUPTED = """
import signal, sys
from perdure.testing import grow
from perdure_postgres import PostgresSaver

signal.signal(signal.SIGALRM, signal.default_int_handler)
with PostgresSaver(sys.argv[1], pool_config={"max_size": 1}) as saver:
    saver.setup()
    print("here", flush=True)
    sys.stdin.readline()
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        grow(saver, "t", note="interrupted")
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    sys.stdin.readline()
    grow(saver, "t", note="again")
    print(saver.read("t", "main")[0].payload.decode())
"""


def test_call_that_is_interrupted_leaves_the_saver_usable(postgres_url: str) -> None:
    """Ctrl-C in the middle of an append that waits: nothing was written, and the connection is not lost to the pool."""
    command = [sys.executable, "-c", INTERRUPTED, postgres_url]
    with (
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        ) as process,
        psycopg.connect(postgres_url) as holder,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        holder.execute("LOCK TABLE perdure.events")
        process.stdin.write("\n")
        assert process.stdout.readline() == "interrupted\n"
        assert holder.execute("SELECT count(*) FROM perdure.events").fetchone() == (0,)
        holder.rollback()
        said, _ = process.communicate("\n", timeout=PATIENCE)
    assert process.returncode == 0
    assert json.loads(said) == {"note": "again", "seq": 1}
