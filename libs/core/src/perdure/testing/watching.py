"""Following a saver's tail, as the suite does it: by waiting, because a tail may show an event later than its append.

What is promised is the order: an event is shown once no older transaction is open, so what is shown is always all that
there will ever be up to its position.
"""

from collections.abc import Callable
from time import monotonic, sleep

from perdure.events import Record
from perdure.ports import Saver
from perdure.testing.records import grow

PATIENCE = 10.0
"""Seconds in which every event must be shown."""
MARK = "!end"
"""The thread of the events by which a follower sees that it has come to the end."""


def settled_tail(saver: Saver, count: int, *, after: int = 0) -> list[Record]:
    """Return what the tail shows beyond `after` when it shows at least `count` records."""
    deadline = monotonic() + PATIENCE
    while len(found := saver.tail(after=after)) < count:
        _wait(deadline, f"{len(found)} of {count} events beyond position {after}")
    return found


def follow(saver: Saver, ended: Callable[[], bool], *, page: int = 30) -> list[Record]:
    """Follow the tail while others write, until they have ended and all is shown; return what was seen, in order.

    The end is a record on the thread `MARK`: whatever came before it must be shown before it is.
    """
    seen: list[Record] = []
    while not ended():
        seen += saver.tail(after=seen[-1].position if seen else 0, limit=page)
    grow(saver, MARK)
    deadline = monotonic() + PATIENCE
    while not seen or seen[-1].thread_id != MARK:
        found = saver.tail(after=seen[-1].position if seen else 0, limit=page)
        if not found:
            _wait(deadline, "the newest event")
        seen += found
        assert len({record.position for record in seen}) == len(seen)
    return seen


def stored(saver: Saver) -> list[Record]:
    """Return all records of all threads as their branches hold them, in order of position."""
    threads = saver.list_threads(limit=10_000)
    found = [record for thread in threads for record in _records(saver, thread.thread_id)]
    return sorted(found, key=lambda record: record.position)


def _records(saver: Saver, thread_id: str) -> list[Record]:
    return [record for branch in saver.branches(thread_id) for record in saver.read(thread_id, branch.id)]


def _wait(deadline: float, what: str) -> None:
    assert monotonic() < deadline, f"The tail did not show {what} within {PATIENCE} seconds."
    sleep(0.005)
