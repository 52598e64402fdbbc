"""Waiting for a lock that another process holds.

SQLite's own busy handler sleeps up to 100 ms and favours whoever just had the lock, so that one of several writers can
starve. Short, growing pauses with jitter keep the longest wait near the average one.
"""

import sqlite3
from collections.abc import Callable
from random import uniform
from time import monotonic, sleep
from typing import TypeVar

from perdure_sqlite.faults import is_busy

Result = TypeVar("Result")

FIRST_PAUSE = 0.0001
LONGEST_PAUSE = 0.003
"""Seconds. A durable commit takes 0.1 to 5 ms."""


def patiently(action: Callable[[], Result], timeout: float) -> Result:
    """Do `action`, again while the database is locked, for at most `timeout` seconds; then raise what it raised."""
    try:
        return action()
    except sqlite3.OperationalError as exc:
        if not is_busy(exc):
            raise
    deadline = monotonic() + timeout
    pause = FIRST_PAUSE
    while True:
        sleep(uniform(0.3, 1.0) * pause)  # noqa: S311  (jitter is no secret)
        try:
            return action()
        except sqlite3.OperationalError as exc:
            if not is_busy(exc) or monotonic() >= deadline:
                raise
        pause = min(pause * 1.5, LONGEST_PAUSE)
