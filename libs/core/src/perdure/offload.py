"""Getting a saver's work off an event loop: one thread that writes, in groups, and a few that read.

The writing thread takes everything that waits and hands it to the saver together, so many runs share one flush. It ends
when it has been idle for a while, so that a saver nobody closed keeps nothing alive.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from perdure.errors import ClosedError

Result = TypeVar("Result")
Asked = TypeVar("Asked")
"""What a saver's writes are described by."""
READERS = 4
LARGEST_GROUP = 256
IDLE_SECONDS = 5.0

Future: TypeAlias = asyncio.Future[Any]


class Outcome(NamedTuple):
    """What one of several writes came to."""

    result: object = None
    error: Exception | None = None


class Job(NamedTuple, Generic[Asked]):
    """A write that somebody awaits."""

    asked: Asked
    future: Future
    loop: asyncio.AbstractEventLoop


class Offload(Generic[Asked]):
    """The threads of one saver in one process."""

    def __init__(self, name: str, write_together: Callable[[Sequence[Asked]], list[Outcome]]) -> None:
        """Start nothing yet.

        Args:
            name: What the threads are called after.
            write_together: Makes several writes in one commit, and says of each what it came to. What it raises
                concerns all: nothing was written, and each write is then made alone.
        """
        self._name = name
        self._write_together = write_together
        self._queue: SimpleQueue[Job[Asked] | None] = SimpleQueue()
        self._lock = Lock()
        self._writer: Thread | None = None
        self._closed = False
        self._readers = ThreadPoolExecutor(READERS, f"perdure-{name}-reader")

    async def read(self, call: Callable[[], Result]) -> Result:
        """Make a call, one that need not share a commit, in one of the other threads."""
        try:
            future = asyncio.get_running_loop().run_in_executor(self._readers, call)
        except RuntimeError as exc:
            # The executor was shut down.
            raise ClosedError from exc
        return await future

    async def write(self, asked: Asked) -> Any:
        """Have something written by the writing thread, together with what else waits there."""
        loop = asyncio.get_running_loop()
        future: Future = loop.create_future()
        with self._lock:
            if self._closed:
                raise ClosedError
            self._queue.put(Job(asked, future, loop))
            if self._writer is None:
                self._writer = Thread(target=self._work, name=f"perdure-{self._name}-writer", daemon=True)
                self._writer.start()
        return await future

    def close(self) -> None:
        """Do what was asked before, then end the threads."""
        with self._lock:
            self._closed = True
            self._queue.put(None)
            writer = self._writer
        if writer is not None:
            writer.join()
        self._readers.shutdown()

    # -- the writing thread --------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            jobs = self._take()
            if jobs:
                _deliver(jobs, self._make(jobs))
            if not jobs or self._closed:
                with self._lock:
                    if self._queue.empty():
                        self._writer = None
                        return

    def _take(self) -> list[Job[Asked]]:
        """Wait for a job and return it with all others that wait; [] after a while, or to end."""
        jobs: list[Job[Asked]] = []
        try:
            job = self._queue.get(timeout=IDLE_SECONDS)
            while job is not None:
                jobs.append(job)
                if len(jobs) == LARGEST_GROUP:
                    break
                job = self._queue.get_nowait()
        except Empty:
            return jobs
        return jobs

    def _make(self, jobs: list[Job[Asked]]) -> list[Outcome]:
        try:
            return self._write_together([job.asked for job in jobs])
        except Exception as exc:  # noqa: BLE001  (whatever it was, each write now meets it alone, and its caller hears)
            return [Outcome(error=exc)] if len(jobs) == 1 else [one for job in jobs for one in self._make([job])]


def _deliver(jobs: list[Job[Asked]], outcomes: list[Outcome]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Future, Outcome]]] = defaultdict(list)
    for job, outcome in zip(jobs, outcomes, strict=True):
        by_loop[job.loop].append((job.future, outcome))
    for loop, settled in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, settled)
        except RuntimeError:
            # The loop was closed: nobody awaits these any more.
            continue


def _settle(settled: list[tuple[Future, Outcome]]) -> None:
    for future, (result, error) in settled:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
