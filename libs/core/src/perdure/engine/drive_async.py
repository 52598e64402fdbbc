"""The driver of the async world: sync nodes run in threads, async nodes as tasks of the running loop."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from contextvars import copy_context
from functools import partial
from inspect import GEN_CLOSED, getgeneratorstate
from typing import Any, Generic, TypeVar

from perdure.engine.appending import flushing
from perdure.engine.context import CURRENT
from perdure.engine.drive_sync import SyncDriver, Turn, perform
from perdure.engine.effects import Flow, Job, Outcome, UserCall, Wait
from perdure.engine.session import Session
from perdure.engine.stream import NOBODY, Part, Subscription
from perdure.lineage import AsyncCalls, arun_asks
from perdure.ports import Saver
from perdure.signals import RunCancelled

T = TypeVar("T")
AnswerT = TypeVar("AnswerT")


class AsyncDriver(AsyncCalls, Generic[T]):
    """Drives one flow. `drive` yields the parts its reader asked for; then `result` is the flow's result."""

    result: T

    def __init__(self, saver: Saver | None, reader: Subscription = NOBODY, workers: int | None = None) -> None:
        super().__init__(saver)
        self._reader = reader
        self._workers = workers
        self._slots = asyncio.Semaphore(workers) if workers else None
        self._pool: ThreadPoolExecutor | None = None
        self._tasks: dict[asyncio.Task[Outcome], str] = {}
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if reader is not NOBODY:
            reader.wake = self._wake

    def lend(self, session: Session) -> None:
        """Let threads of this run flush through its loop."""
        session.loop, session.flush_in_loop = self._loop, self.flush

    async def drive(self, flow: Flow[T]) -> AsyncGenerator[Part, None]:
        """Run the flow to its end. Closing this generator, or cancelling its task, cancels the run."""
        turn: Turn | None = partial(next, flow)
        try:
            while turn is not None:
                turn = await self._turn(flow, turn)
                for part in self._reader.drain():
                    yield part
        finally:
            if getgeneratorstate(flow) != GEN_CLOSED:
                await self._cancel(flow)
            await self._close()

    async def run(self, flow: Flow[T]) -> T:
        """Run the flow to its end and return its result."""
        async for _ in self.drive(flow):
            continue
        return self.result

    async def _turn(self, flow: Flow[T], turn: Turn) -> Turn | None:
        """Let the flow go on to its next effect and do that; as `SyncDriver._turn`."""
        try:
            effect = turn()
        except StopIteration as stop:
            self.result = stop.value
            return None
        if type(effect) is Wait and self._reader is not NOBODY and not await self._hear():
            return lambda: effect
        return await self._after(flow, effect.on(self))

    async def _after(self, flow: Flow[T], answer: Any) -> Turn:
        try:
            return partial(flow.send, await answer)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - the flow decides what an error means
            return partial(flow.throw, error)

    async def _cancel(self, flow: Flow[T]) -> None:
        """Let the flow record that its run was cancelled; a second cancellation does not cut that short."""
        self._reader.wake, self._reader = None, NOBODY
        recording = asyncio.ensure_future(self._record_cancel(flow))
        while not recording.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(recording)
        recording.result()

    async def _record_cancel(self, flow: Flow[T]) -> None:
        turn: Turn | None = partial(flow.throw, RunCancelled())
        with suppress(RunCancelled):
            while turn is not None:
                turn = await self._turn(flow, turn)

    async def _close(self) -> None:
        while self._tasks:  # of a graph whose flow has ended without them
            with suppress(asyncio.CancelledError):
                await self.abandon()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    # -- effects -------------------------------------------------------------------------------------------------

    async def perform(self, job: Job) -> Outcome:
        """Run a job: in a thread if all of its code is sync, else as a task (in a copy of the context)."""
        if job.threaded:
            return await self._in_thread(partial(perform, job))
        return await asyncio.create_task(self._perform(job))

    async def _perform(self, job: Job) -> Outcome:
        token = CURRENT.set(job.context)
        flow = job.flow()
        turn: Callable[[], UserCall] = partial(next, flow)
        try:
            while True:
                turn = await self._called(flow, turn())
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome
        finally:
            CURRENT.reset(token)

    async def start(self, job: Job, delay: float) -> None:
        """Run a job as a task of its own."""
        self._tasks[asyncio.create_task(self._work(job, delay))] = job.task_id

    async def collect(self) -> list[tuple[str, Outcome]]:
        """Return all jobs that have ended; wait until there is one. Raises what broke out of one."""
        if not any(task.done() for task in self._tasks):
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        done = [task for task in self._tasks if task.done()]
        well = [task for task in done if not task.cancelled() and task.exception() is None]
        return [(self._tasks.pop(task), task.result()) for task in well or done]

    async def abandon(self) -> list[tuple[str, Outcome]]:
        """Cancel the jobs that run and return those that had ended all the same."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        tasks, self._tasks = self._tasks, {}
        return [
            (task_id, task.result())
            for task, task_id in tasks.items()
            if not task.cancelled() and task.exception() is None
        ]

    async def flush(self, session: Session, last: bool) -> None:
        """Make durable what a session recorded; a cancellation does not cut an append in half."""
        if session.loop is None:  # an async graph called in a node of a sync run: that run's thread is this one
            SyncDriver[None](self._saver).flush(session, last)
        elif session.loop is not self._loop:  # called in a loop of its own, in a thread of an async run
            there = asyncio.run_coroutine_threadsafe(session.flush_in_loop(session, last), session.loop)
            await asyncio.wrap_future(there)
        else:
            await asyncio.shield(self._flush(session, last))

    async def block(self, work: Callable[[], None]) -> None:
        """UserCall work that may block, in a thread."""
        await asyncio.to_thread(work)

    async def pause(self, seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)

    async def _flush(self, session: Session, last: bool) -> None:
        async with session.agate:
            await arun_asks(flushing(session, last), self)
        session.stream.release()

    async def _work(self, job: Job, delay: float) -> Outcome:
        if delay:
            await asyncio.sleep(delay)
        async with self._slots or nullcontext():
            return await (self._in_thread(partial(perform, job)) if job.threaded else self._perform(job))

    async def _called(self, flow: Any, call: UserCall) -> Callable[[], UserCall]:
        """Run one piece of a job's code. Signals and errors alike are for the job's flow."""
        code = call.callable.async_
        if code is None:
            return await self._in_thread(partial(_called_here, flow, call))
        try:
            return partial(flow.send, await code(call.input, **call.injected))
        except (GeneratorExit, asyncio.CancelledError):
            raise
        except BaseException as error:  # noqa: BLE001
            return partial(flow.throw, error)

    async def _in_thread(self, work: Callable[[], AnswerT]) -> AnswerT:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="perdure")
        return await self._loop.run_in_executor(self._pool, copy_context().run, work)

    async def _hear(self) -> bool:
        """Wait until a job has ended or a part arrived; tell whether it is a job."""
        if not any(task.done() for task in self._tasks):
            news = asyncio.ensure_future(self._news.wait())
            try:
                await asyncio.wait([*self._tasks, news], return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
                self._news.clear()
        return any(task.done() for task in self._tasks)

    def _wake(self) -> None:
        """A part arrived, perhaps from a node's thread."""
        self._loop.call_soon_threadsafe(self._news.set)


def _called_here(flow: Any, call: UserCall) -> Callable[[], UserCall]:
    """Run a sync piece of a job's code in this thread; a future could not carry a StopIteration out of it."""
    assert call.callable.sync is not None
    try:
        return partial(flow.send, call.callable.sync(call.input, **call.injected))
    except BaseException as error:  # noqa: BLE001 - for the job's flow
        return partial(flow.throw, error)
