"""What happens to open databases when the process forks.

SQLite forbids carrying a connection into a child: locks belong to processes, so the child would believe in locks that
it does not have. Therefore connections are closed before the fork, at a moment when no statement runs, and both
processes open their own when they next need one.
"""

import os
from threading import Lock
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Something that must prepare for a fork."""

    def before_fork(self) -> None:
        """Come to rest, and stay so until `after_fork`."""

    def after_fork(self) -> None:
        """Go on, in the parent as in the child."""


_watched: WeakSet[Forkable] = WeakSet()
_resting: list[Forkable] = []
_lock = Lock()


def watch_forks(forkable: Forkable) -> None:
    """Call the methods of `forkable` around every fork, as long as somebody else refers to it."""
    with _lock:
        _watched.add(forkable)


def _before() -> None:
    _lock.acquire()
    for forkable in list(_watched):
        forkable.before_fork()
        _resting.append(forkable)


def _after() -> None:
    while _resting:
        _resting.pop().after_fork()
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
