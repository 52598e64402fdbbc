"""A server that is shut down as if it had crashed, again and again, under load: every run ends, and nothing is lost."""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from perdure import open_saver
from perdure.ports import Saver
from perdure.testing.watching import settled_tail
from perdure_memory import InMemorySaver
from tests.postgres.load_program import STEPS, names, walking
from tests.postgres.server import Server

ROOT = Path(__file__).parents[2]
THREADS = 500
WORKERS = 8
PAUSE = 1.5
"""Seconds that the server runs between two restarts."""


def test_every_run_ends_and_no_event_is_lost_or_doubled(own_postgres: Server, tmp_path: Path) -> None:
    """Of 500 threads with five steps each, none notices that the server restarted every few seconds: each step ran
    once, each event is there once, in the log as in the tail, and all hash chains hold.
    """
    side = tmp_path / "side"
    with own_postgres.database() as url:
        command = [sys.executable, "-m", "tests.postgres.load_program", url, str(side), str(THREADS), str(WORKERS)]
        log = tmp_path / "log"
        with log.open("wb") as file, subprocess.Popen(command, cwd=ROOT, stderr=file) as load:
            restarts = restart_until_it_ends(own_postgres, load)
        assert load.returncode == 0, log.read_text(encoding="utf-8")
        assert restarts >= 3
        done = Counter(side.read_text(encoding="utf-8").splitlines())
        assert done == Counter(f"{name} {step}" for name in names(THREADS) for step in STEPS)
        with open_saver(url) as saver:
            check_threads(saver)


def restart_until_it_ends(server: Server, load: subprocess.Popen[bytes]) -> int:
    """Restart the server every few seconds; return how often."""
    restarts, deadline = 0, time.monotonic() + 120
    while True:
        try:
            load.wait(PAUSE)
        except subprocess.TimeoutExpired:
            assert time.monotonic() < deadline, "the workers do not come to an end"
            server.restart("immediate")
            restarts += 1
        else:
            return restarts


def check_threads(saver: Saver) -> None:
    """Each thread has the log of a run in which nothing happened, and the tail shows the same events."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    graph, undisturbed = walking(saver, nowhere), InMemorySaver()
    walking(undisturbed, nowhere).invoke({"steps": []}, {"thread_id": "t"})
    story = [record.kind for record in undisturbed.read("t", "main")]
    logs = {name: saver.read(name, "main") for name in names(THREADS)}
    for name, records in logs.items():
        assert [record.kind for record in records] == story
        assert [record.seq for record in records] == list(range(1, len(story) + 1))
        thread = graph.thread(name)
        assert thread.state().values == {"steps": list(STEPS)}
        assert thread.verify()
    assert [one.thread_id for one in saver.list_threads(limit=1000)] == names(THREADS)
    tail = settled_tail(saver, 1, after=0)
    while page := saver.tail(after=tail[-1].position):
        tail += page
    assert tail == sorted((record for records in logs.values() for record in records), key=lambda one: one.position)
