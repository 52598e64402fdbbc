"""Worker processes: start one and follow it, from outside, through the log that it writes."""

import signal
import subprocess
import time
from collections.abc import Callable

from notes.options import DemoError
from perdure.events import TaskSucceeded
from perdure.thread import Thread

PAUSE = 0.03
"""Seconds between two looks at the log."""


def run(command: list[str], thread: Thread, show: Callable[[list[TaskSucceeded]], None]) -> int:
    """Run a worker to its end, show the tasks that it records, and return its process id.

    Raises DemoError with the worker's last words when it failed.
    """
    seen = len(thread.events())
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as worker:
        code: int | None = None
        while code is None:
            time.sleep(PAUSE)
            code = worker.poll()
            news = thread.events(after=seen)
            seen += len(news)
            show([one.event for one in news if isinstance(one.event, TaskSucceeded)])
        assert worker.stderr is not None
        words = worker.stderr.read().strip().splitlines()
    if code not in (0, -signal.SIGKILL):
        raise DemoError(words[-1].removeprefix("release_notes: ") if words else f"a worker ended with {code}")
    return worker.pid


def recorded(thread: Thread, node: str) -> list[TaskSucceeded]:
    """Return a node's tasks that stand in the log."""
    events = [one.event for one in thread.events()]
    return [event for event in events if isinstance(event, TaskSucceeded) and event.node == node]
