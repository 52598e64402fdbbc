"""What clauses with several processes stand on: a pool of fresh ones, and how another one opens the storage."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

import pytest

from perdure.testing.conformance.suite import Connect, MakeSaver, SaverClauses
from perdure.testing.faces import Face, connect_face

PROCESSES = 3
T = TypeVar("T")


class Together:
    """Lets processes do things, each with a saver of its own."""

    def __init__(self, pool: ProcessPoolExecutor, connect: Connect) -> None:
        self._pool = pool
        self.connect = connect
        """Opens the storage in any process."""

    def do(self, act: Callable[..., T], *each: Sequence[object]) -> list[Future[T]]:
        """Begin `act(connect, ...)` in several processes at once, in each with its own of each further argument."""
        return [self._pool.submit(act, self.connect, *own) for own in zip(*each, strict=True)]

    def result(self, act: Callable[..., T], *arguments: object) -> T:
        """Return what `act(connect, ...)` returns in another process."""
        return self._pool.submit(act, self.connect, *arguments).result()


class ManyProcesses(SaverClauses):
    """Clauses with several processes, for savers whose storage outlives one."""

    @pytest.fixture
    def connect(self, make_saver: MakeSaver) -> Connect:
        """Return what opens this test's storage elsewhere. To be written anew if `make_saver` cannot be pickled."""
        return make_saver

    @pytest.fixture(scope="class")
    @classmethod
    def pool(cls) -> Iterator[ProcessPoolExecutor]:
        """Yield processes that began as fresh interpreters."""
        with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
            yield pool

    @pytest.fixture
    def together(self, pool: ProcessPoolExecutor, connect: Connect, face: Face) -> Together:
        """Return what processes do things with, through one face."""
        return Together(pool, partial(connect_face, face, connect))
