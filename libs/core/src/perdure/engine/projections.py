"""Warm projections: what a process remembers of the threads it has just run. A bounded LRU.

Whoever takes a projection owns it (a run changes it in place); a second run of the same thread finds none and loads.
The append's compare guards against what other processes did meanwhile.
"""

from collections import OrderedDict
from threading import Lock
from typing import Final
from weakref import WeakKeyDictionary

from perdure.engine.load import Loaded
from perdure.ports import Saver

THREADS: Final = 256
"""Threads remembered per saver."""


class Projections:
    """The projections of one saver's threads, by thread id."""

    def __init__(self, capacity: int = THREADS) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[str, Loaded] = OrderedDict()
        self._lock = Lock()

    def take(self, thread_id: str) -> Loaded | None:
        """Take a thread's projection out, or return None."""
        with self._lock:
            return self._kept.pop(thread_id, None)

    def keep(self, thread_id: str, loaded: Loaded) -> None:
        """Put a projection back; the least recently used one makes room."""
        with self._lock:
            self._kept[thread_id] = loaded
            self._kept.move_to_end(thread_id)
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)

    def forget(self, thread_id: str) -> None:
        """Drop a thread's projection."""
        self.take(thread_id)


_BY_SAVER: WeakKeyDictionary[Saver, Projections] = WeakKeyDictionary()
_GUARD = Lock()


def projections_of(saver: Saver) -> Projections:
    """Return the projections that all graphs of this process share for a saver."""
    with _GUARD:
        return _BY_SAVER.setdefault(saver, Projections())
