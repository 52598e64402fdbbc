"""The driver of the sync world: the only room, with its async sister, that knows how to wait.

A lone job runs in the calling thread; jobs started side by side run in a pool of threads that this driver owns (one
pool a driver, so that a graph inside a node cannot starve the graph around it).
"""

import asyncio
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, Generic, TypeVar, assert_never

from perdure.definition.callables import Code
from perdure.engine.appending import appended
from perdure.engine.background import Background
from perdure.engine.context import CURRENT
from perdure.engine.effects import (
    Abandon,
    Call,
    Effect,
    Flow,
    Flush,
    Job,
    Outcome,
    Perform,
    Sleep,
    Start,
    Wait,
)
from perdure.engine.session import Session
from perdure.engine.stream import Part, Subscription
from perdure.lineage import Ask, answer
from perdure.ports import Saver
from perdure.signals import RunCancelled

T = TypeVar("T")
Ended = tuple[str, Outcome | BaseException]


class SyncDriver(Generic[T]):
    """Drives one flow. `drive` yields the parts its reader asked for; then `result` is the flow's result."""

    result: T

    def __init__(self, saver: Saver | None, reader: Subscription | None = None, workers: int | None = None) -> None:
        self._saver = saver
        self._reader = reader
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None
        self._ended: SimpleQueue[Ended | None] = SimpleQueue()
        self._running = 0

    def drive(self, flow: Flow[T]) -> Generator[Part, None, None]:
        """Run the flow to its end. Closing this generator cancels the run."""
        reader = self._reader
        if reader is not None:
            reader.wake = lambda: self._ended.put(None)
        try:
            effect = next(flow)
            while True:
                reply: Any = None
                try:
                    if type(effect) is Wait:
                        while not (reply := self._collect(block=True)):
                            yield from reader.drain() if reader is not None else ()
                    else:
                        reply = self._do(effect)
                except GeneratorExit:
                    raise
                except BaseException as error:  # the flow decides what an error means
                    effect = flow.throw(error)
                else:
                    effect = flow.send(reply)
                if reader is not None and reader.parts:
                    yield from reader.drain()
        except StopIteration as stop:
            self.result = stop.value
            if reader is not None:
                yield from reader.drain()
        except GeneratorExit:
            self._cancel(flow)
            raise
        finally:
            if self._pool is not None:
                self._pool.shutdown(wait=True, cancel_futures=True)

    def run(self, flow: Flow[T]) -> T:
        """Run the flow to its end and return its result."""
        for _ in self.drive(flow):
            continue
        return self.result

    def _cancel(self, flow: Flow[T]) -> None:
        """Let the flow record that its run was cancelled; nobody reads its parts any more."""
        try:
            effect = flow.throw(RunCancelled())
            while True:
                reply = (self._collect(block=True) or []) if type(effect) is Wait else self._do(effect)
                effect = flow.send(reply)
        except (StopIteration, RunCancelled):
            return

    def _do(self, effect: Effect) -> Any:
        match effect:
            case Perform(job):
                return perform(job)
            case Flush(session, last):
                return flush(session, last)
            case Ask(method, args, options):
                return getattr(self._saver, method)(*args, **options)
            case Start(job, delay):
                return self._start(job, delay)
            case Wait():
                return self._collect(block=True)
            case Abandon():
                return self._abandon()
            case Sleep(seconds):
                return time.sleep(seconds)
            case _:
                assert_never(effect)

    # -- jobs side by side ---------------------------------------------------------------------------------------

    def _start(self, job: Job, delay: float) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="perdure")
        self._running += 1
        self._pool.submit(copy_context().run, self._work, job, delay)

    def _work(self, job: Job, delay: float) -> None:
        try:
            if delay:
                time.sleep(delay)
            outcome: Outcome | BaseException = perform(job)
        except BaseException as error:  # handed to the flow by whoever waits
            outcome = error
        self._ended.put((job.task_id, outcome))

    def _collect(self, *, block: bool) -> list[tuple[str, Outcome]]:
        """Return all jobs that have ended; block until there is one, or a part to read (then: [])."""
        ended: list[tuple[str, Outcome]] = []
        while block or not self._ended.empty():
            one = self._ended.get()
            block = False
            if one is None:
                continue
            self._running -= 1
            task_id, outcome = one
            if isinstance(outcome, BaseException):
                raise outcome
            ended.append((task_id, outcome))
        return ended

    def _abandon(self) -> list[tuple[str, Outcome]]:
        """Drop jobs that have not begun and wait for those that run: a thread cannot be ended from outside."""
        ended: list[tuple[str, Outcome]] = []
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        while not self._ended.empty():
            ended += self._collect(block=False)
        self._running = 0
        return ended


def perform(job: Job) -> Outcome:
    """Run a job's user code in the calling thread."""
    token = CURRENT.set(job.context)
    flow = job.flow()
    try:
        call = next(flow)
        while True:
            try:
                reply = _code(call)(call.input, **call.injected)
            except BaseException as error:  # signals and errors alike are for the job's flow
                call = flow.throw(error)
            else:
                call = flow.send(reply)
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome
    finally:
        CURRENT.reset(token)


def _code(call: Call) -> Code:
    code = call.callable.sync
    if code is None:
        raise TypeError(
            f"No synchronous function provided to {call.callable.name!r}: it is async. Use ainvoke or astream."
        )
    return code


def flush(session: Session, last: bool) -> None:
    """Make what a session recorded durable, from a thread."""
    if session.loop is not None:  # a graph called in a sync node of an async run: that run's loop does it
        assert session.flush_in_loop is not None
        return asyncio.run_coroutine_threadsafe(session.flush_in_loop(session, last), session.loop).result()
    saver, durability = session.saver, session.terms.durability
    if saver is not None and (durability == "sync" or last):
        with session.gate:
            if session.background is not None:
                session.background.settle()
            batch = session.writer.take()
            if batch is not None:
                answer(appended(session, [batch]), saver)
    elif saver is not None and durability == "async":
        with session.gate:
            batch = session.writer.take()
            if batch is not None:
                if session.background is None:
                    session.background = Background(session, saver)
                session.background.put(batch)
    session.stream.release()
    return None
