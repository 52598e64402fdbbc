"""Getting work off an event loop: one thread that writes, in groups, and a few that read.

The writing thread takes everything that waits and commits it together, so many runs share one flush. It ends when it
has been idle for a while, so that a saver nobody closed keeps nothing alive.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, NamedTuple, TypeAlias, TypeVar

from perdure.errors import ClosedError
from perdure_sqlite.database import Database, Outcome

Result = TypeVar("Result")
READERS = 4
LARGEST_GROUP = 256
IDLE_SECONDS = 5.0

Future: TypeAlias = asyncio.Future[Any]


class Job(NamedTuple):
    """A call that somebody awaits."""

    call: Callable[[], object]
    future: Future
    loop: asyncio.AbstractEventLoop


class Offload:
    """The threads of one saver in one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = Lock()
        self._writer: Thread | None = None
        self._closed = False
        self._readers = ThreadPoolExecutor(READERS, "perdure-sqlite-reader")

    async def read(self, call: Callable[[], Result]) -> Result:
        """Make a call that reads in one of the reading threads."""
        try:
            future = asyncio.get_running_loop().run_in_executor(self._readers, call)
        except RuntimeError as exc:
            # The executor was shut down.
            raise ClosedError from exc
        return await future

    async def write(self, call: Callable[[], Result]) -> Result:
        """Make a call that writes in the writing thread, together with what else waits there."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        with self._lock:
            if self._closed:
                raise ClosedError
            self._queue.put(Job(call, future, loop))
            if self._writer is None:
                self._writer = Thread(target=self._work, name="perdure-sqlite-writer", daemon=True)
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

    def _take(self) -> list[Job]:
        """Wait for a job and return it with all others that wait; [] after a while, or to end."""
        jobs: list[Job] = []
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

    def _make(self, jobs: list[Job]) -> list[Outcome]:
        if len(jobs) == 1:
            return [_attempt(jobs[0].call)]
        try:
            return self._database.write_group([job.call for job in jobs])
        except Exception:  # noqa: BLE001  (whatever it was, each call now meets it alone, and its caller hears of it)
            return [_attempt(job.call) for job in jobs]


def _attempt(call: Callable[[], object]) -> Outcome:
    try:
        return Outcome(call())
    except Exception as exc:  # noqa: BLE001  (it is raised where the call is awaited)
        return Outcome(error=exc)


def _deliver(jobs: list[Job], outcomes: list[Outcome]) -> None:
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
