"""The driver of the sync world: the only room, with its async sister, that knows how to wait.

A lone job runs in the calling thread; jobs started side by side run in a pool of threads that this driver owns (one
pool a driver, so that a graph inside a node cannot starve the graph around it).
"""

import asyncio
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from inspect import GEN_CLOSED, getgeneratorstate
from queue import SimpleQueue
from threading import Event
from typing import Generic, TypeAlias, TypeVar

from perdure.definition.callables import Code
from perdure.engine.appending import flushing
from perdure.engine.context import CURRENT
from perdure.engine.effects import Effect, Flow, Job, Outcome, UserCall, Wait
from perdure.engine.session import Session
from perdure.engine.stream import NOBODY, Part, Subscription
from perdure.errors import UsageError
from perdure.lineage import SyncCalls, run_asks
from perdure.ports import Saver
from perdure.signals import RunCancelled

T = TypeVar("T")
Ended: TypeAlias = tuple[str, Outcome | BaseException]
Turn: TypeAlias = Callable[[], Effect]
"""How a flow goes on: with a reply, or with an error."""


class SyncDriver(SyncCalls, Generic[T]):
    """Drives one flow. `drive` yields the parts its reader asked for; then `result` is the flow's result."""

    result: T

    def __init__(self, saver: Saver | None, reader: Subscription = NOBODY, workers: int | None = None) -> None:
        super().__init__(saver)
        self._reader = reader
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None
        self._news: SimpleQueue[Ended | None] = SimpleQueue()
        """Jobs that have ended; None: a part to read has arrived."""
        self._ended: list[Ended] = []
        self._given_up = Event()
        if reader is not NOBODY:
            reader.wake = lambda: self._news.put(None)

    def drive(self, flow: Flow[T]) -> Generator[Part, None, None]:
        """Run the flow to its end. Closing this generator cancels the run."""
        turn: Turn | None = partial(next, flow)
        try:
            while turn is not None:
                turn = self._turn(flow, turn)
                yield from self._reader.drain()
        finally:
            if getgeneratorstate(flow) != GEN_CLOSED:
                self._cancel(flow)
            self._close()

    def run(self, flow: Flow[T]) -> T:
        """Run the flow to its end and return its result."""
        for _ in self.drive(flow):
            continue
        return self.result

    def _turn(self, flow: Flow[T], turn: Turn) -> Turn | None:
        """Let the flow go on to its next effect and do that; return how it goes on from there, None at its end.

        While jobs run, a part that arrives ends the turn early: its reader comes first, then the same effect again.
        """
        try:
            effect = turn()
        except StopIteration as stop:
            self.result = stop.value
            return None
        if type(effect) is Wait and self._reader is not NOBODY and not self._hear():
            return lambda: effect
        try:
            return partial(flow.send, effect.on(self))
        except BaseException as error:  # noqa: BLE001 - the flow decides what an error means
            return partial(flow.throw, error)

    def _cancel(self, flow: Flow[T]) -> None:
        """Let the flow record that its run was cancelled; nobody reads its parts any more."""
        self._reader.wake, self._reader = None, NOBODY
        turn: Turn | None = partial(flow.throw, RunCancelled())
        try:
            while turn is not None:
                turn = self._turn(flow, turn)
        except RunCancelled:
            return

    def _close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    # -- effects -------------------------------------------------------------------------------------------------

    def perform(self, job: Job) -> Outcome:
        """Run a job in this thread, in a copy of its context."""
        return copy_context().run(perform, job)

    def start(self, job: Job, delay: float) -> None:
        """Run a job in a thread of this driver's pool."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="perdure")
        self._pool.submit(copy_context().run, self._work, job, delay)

    def collect(self) -> list[tuple[str, Outcome]]:
        """Return all jobs that have ended; wait until there is one. Raises what broke out of one."""
        while not self._hear():
            continue
        while not self._news.empty():
            self._hear(self._news.get())
        ended, self._ended = self._ended, []
        broken = [one for one in ended if isinstance(one[1], BaseException)]
        if len(broken) == len(ended):
            assert isinstance(broken[0][1], BaseException)
            raise broken[0][1]
        self._ended = broken  # told next time: what has ended well is recorded first
        return [(task_id, outcome) for task_id, outcome in ended if not isinstance(outcome, BaseException)]

    def abandon(self) -> list[tuple[str, Outcome]]:
        """Drop jobs that have not begun and wait for those that run: a thread cannot be ended from outside."""
        self._given_up.set()
        self._close()
        while not self._news.empty():
            self._hear(self._news.get())
        ended, self._ended = self._ended, []
        return [(task_id, outcome) for task_id, outcome in ended if not isinstance(outcome, BaseException)]

    def flush(self, session: Session, last: bool) -> None:
        """Make durable what a session recorded."""
        if session.writer.closed and session.loop is not None:
            raise RunCancelled  # the run has ended, and its loop may have, too
        if session.loop is not None and not _within(session):
            # A graph called in a sync node of an async run: that run's loop does it.
            return asyncio.run_coroutine_threadsafe(session.flush_in_loop(session, last), session.loop).result()
        with session.gate:
            run_asks(flushing(session, last), self)
        session.stream.release()
        return None

    def block(self, work: Callable[[], None]) -> None:
        """UserCall work that may block."""
        work()

    def pause(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def _work(self, job: Job, delay: float) -> None:
        try:
            if self._given_up.wait(delay) if delay else self._given_up.is_set():
                return
            outcome: Outcome | BaseException = perform(job)
        except BaseException as error:  # noqa: BLE001 - handed to the flow by whoever waits
            outcome = error
        self._news.put((job.task_id, outcome))

    def _hear(self, *news: Ended | None) -> bool:
        """Take in a piece of news, waiting for it if none is given; tell whether any job has ended."""
        one = news[0] if news else (None if self._ended else self._news.get())
        if one is not None:
            self._ended.append(one)
        return bool(self._ended)


def _within(session: Session) -> bool:
    """Tell whether this thread is the one of the run's loop, which a sync call blocks.

    Raises UsageError when it must not: another task of the run is appending, and could not go on.
    """
    try:
        inside = asyncio.get_running_loop() is session.loop
    except RuntimeError:
        return False
    if inside and session.agate.locked():
        raise UsageError(
            "A graph was called with `invoke` inside an async node while another node of the same run was writing:"
            " the call would block both for ever. Use `await graph.ainvoke(…)` inside async nodes."
        )
    return inside


def perform(job: Job) -> Outcome:
    """Run a job's user code in the calling thread."""
    token = CURRENT.set(job.context)
    flow = job.flow()
    try:
        call = next(flow)
        while True:
            try:
                reply = _code(call)(call.input, **call.injected)
            except BaseException as error:  # noqa: BLE001 - signals and errors alike are for the job's flow
                call = flow.throw(error)
            else:
                call = flow.send(reply)
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome
    finally:
        CURRENT.reset(token)


def _code(call: UserCall) -> Code:
    code = call.callable.sync
    if code is None:
        raise TypeError(
            f"No synchronous function provided to {call.callable.name!r}: it is async. Use ainvoke or astream."
        )
    return code
