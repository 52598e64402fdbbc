"""Waiting for a lock that another process holds.

SQLite hands its lock to nobody: whoever asks at the right moment has it. Its own busy handler asks less and less
often, up to every 100 ms, so one of several busy writers can starve. Here a waiter asks more and more often: the longer
it has waited the likelier it is next, as in a queue. Jitter keeps two waiters from asking in step.
"""

import sqlite3
from collections.abc import Callable
from random import uniform
from time import monotonic, sleep
from typing import TypeVar

from perdure_sqlite.faults import is_busy

Result = TypeVar("Result")

FIRST_PAUSE = 0.001
SHORTEST_PAUSE = 0.0001
SHORTEST_AFTER = 0.005
"""Seconds. A durable commit takes 0.1 to 5 ms."""
CALM_AFTER = 0.25
CALM_PAUSE = 0.005
"""Whoever has waited so long waits for something long, and need not burn a processor."""


def patiently(action: Callable[[], Result], timeout: float) -> Result:
    """Do `action`, again while the database is locked, for at most `timeout` seconds; then raise what it raised."""
    try:
        return action()
    except sqlite3.OperationalError as exc:
        if not is_busy(exc):
            raise
    started = monotonic()
    waited = 0.0
    while True:
        sleep(uniform(0.3, 1.0) * _pause(waited))  # noqa: S311  (jitter is no secret)
        try:
            return action()
        except sqlite3.OperationalError as exc:
            waited = monotonic() - started
            if not is_busy(exc) or waited >= timeout:
                raise


def _pause(waited: float) -> float:
    if waited > CALM_AFTER:
        return CALM_PAUSE
    return FIRST_PAUSE - (FIRST_PAUSE - SHORTEST_PAUSE) * min(1.0, waited / SHORTEST_AFTER)
