"""Proof that a call which was refused has written nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from perdure import Saver


@contextmanager
def untouched(saver: Saver) -> Iterator[None]:
    """Assert that what happens inside leaves every log of the saver as it was, byte for byte."""
    before = saver.tail(limit=100_000)
    yield
    assert saver.tail(limit=100_000) == before


def head(saver: Saver, thread_id: str) -> int:
    """Return the seq of a thread's newest event, 0 when there is none."""
    found = saver.head(thread_id)
    return 0 if found is None else found.seq
