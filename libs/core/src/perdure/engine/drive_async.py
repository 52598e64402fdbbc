"""The driver of the async world: sync nodes run in threads, async nodes as tasks of the running loop."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, Final, Generic, TypeVar, assert_never

from perdure.engine.appending import appended
from perdure.engine.context import CURRENT
from perdure.engine.drive_sync import flush, perform
from perdure.engine.effects import Abandon, Call, Effect, Flow, Flush, Job, Outcome, Perform, Sleep, Start, Wait
from perdure.engine.session import Session
from perdure.engine.stream import Part, Subscription
from perdure.engine.writer import Batch
from perdure.lineage import Ask, aanswer
from perdure.ports import Saver
from perdure.signals import RunCancelled

T = TypeVar("T")
AnswerT = TypeVar("AnswerT")
AHEAD: Final = 1024
"""Batches that may wait behind a run of durability `async`."""


class AsyncDriver(Generic[T]):
    """Drives one flow. `drive` yields the parts its reader asked for; then `result` is the flow's result."""

    result: T

    def __init__(self, saver: Saver | None, reader: Subscription | None = None, workers: int | None = None) -> None:
        self._saver = saver
        self._reader = reader
        self._workers = workers
        self._slots = asyncio.Semaphore(workers) if workers else None
        self._pool: ThreadPoolExecutor | None = None
        self._tasks: dict[asyncio.Task[Outcome], str] = {}
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def drive(self, flow: Flow[T]) -> AsyncGenerator[Part, None]:
        """Run the flow to its end. Closing this generator, or cancelling its task, cancels the run."""
        reader = self._reader
        if reader is not None:
            reader.wake = self._wake
        try:
            effect = next(flow)
            while True:
                reply: Any = None
                try:
                    if type(effect) is Wait:
                        while not (reply := await self._collect()):
                            for part in reader.drain() if reader is not None else ():
                                yield part
                    else:
                        reply = await self._do(effect)
                except GeneratorExit:
                    raise
                except asyncio.CancelledError as error:
                    await self._cancel(flow)
                    raise error from None
                except BaseException as error:  # the flow decides what an error means
                    effect = flow.throw(error)
                else:
                    effect = flow.send(reply)
                if reader is not None and reader.parts:
                    for part in reader.drain():
                        yield part
        except StopIteration as stop:
            self.result = stop.value
            if reader is not None:
                for part in reader.drain():
                    yield part
        except GeneratorExit:
            await self._cancel(flow)
            raise
        finally:
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)

    async def run(self, flow: Flow[T]) -> T:
        """Run the flow to its end and return its result."""
        async for _ in self.drive(flow):
            continue
        return self.result

    async def _cancel(self, flow: Flow[T]) -> None:
        """Let the flow record that its run was cancelled, which a second cancel does not cut short."""
        try:
            effect = flow.throw(RunCancelled())
            while True:
                effect = flow.send(await asyncio.shield(self._do(effect)))
        except (StopIteration, RunCancelled):
            return

    async def _do(self, effect: Effect) -> Any:
        match effect:
            case Perform(job):
                return await self._perform(job)
            case Flush(session, last):
                return await aflush(session, last)
            case Ask(method, args, options):
                return await getattr(self._saver, "a" + method)(*args, **options)
            case Start(job, delay):
                return self._start(job, delay)
            case Wait():
                return await self._collect()
            case Abandon():
                return await self._abandon()
            case Sleep(seconds):
                return await asyncio.sleep(seconds)
            case _:
                assert_never(effect)

    # -- jobs ----------------------------------------------------------------------------------------------------

    def _start(self, job: Job, delay: float) -> None:
        self._tasks[asyncio.create_task(self._work(job, delay))] = job.task_id

    async def _work(self, job: Job, delay: float) -> Outcome:
        if delay:
            await asyncio.sleep(delay)
        if self._slots is None:
            return await self._perform(job)
        async with self._slots:
            return await self._perform(job)

    async def _collect(self) -> list[tuple[str, Outcome]]:
        """Return all jobs that have ended; wait until there is one, or a part to read (then: [])."""
        if not any(task.done() for task in self._tasks):
            news = asyncio.ensure_future(self._news.wait())
            try:
                await asyncio.wait([*self._tasks, news], return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
                self._news.clear()
        done = [task for task in self._tasks if task.done()]
        return [(self._tasks.pop(task), task.result()) for task in done]

    async def _abandon(self) -> list[tuple[str, Outcome]]:
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

    def _wake(self) -> None:
        """A part arrived, perhaps from a node's thread."""
        self._loop.call_soon_threadsafe(self._news.set)

    async def _perform(self, job: Job) -> Outcome:
        if job.threaded:
            return await self._in_thread(lambda: perform(job))
        token = CURRENT.set(job.context)
        flow = job.flow()
        try:
            call = next(flow)
            while True:
                try:
                    reply = await self._call(call)
                except (GeneratorExit, asyncio.CancelledError):
                    raise
                except BaseException as error:  # signals and errors alike are for the job's flow
                    call = flow.throw(error)
                else:
                    call = flow.send(reply)
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome
        finally:
            CURRENT.reset(token)

    async def _call(self, call: Call) -> Any:
        code = call.callable.async_
        if code is not None:
            return await code(call.input, **call.injected)
        assert call.callable.sync is not None
        return await self._in_thread(partial(call.callable.sync, call.input, **call.injected))

    async def _in_thread(self, work: Callable[[], AnswerT]) -> AnswerT:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="perdure")
        return await self._loop.run_in_executor(self._pool, copy_context().run, work)


async def aflush(session: Session, last: bool) -> None:
    """Make what a session recorded durable, from a task."""
    if session.loop is None:  # an async graph called in a node of a sync run: its run's thread is this one
        return flush(session, last)
    saver, durability = session.saver, session.terms.durability
    if saver is not None and (durability == "sync" or last):
        async with session.agate:
            if session.background is not None:
                await session.background.settle()
            batch = session.writer.take()
            if batch is not None:
                await aanswer(appended(session, [batch]), saver)
    elif saver is not None and durability == "async":
        async with session.agate:
            batch = session.writer.take()
            if batch is not None:
                if session.background is None:
                    session.background = Ahead(session, saver)
                await session.background.put(batch)
    session.stream.release()
    return None


class Ahead:
    """Durability `async` in the async world: a task that appends, in order, what runs ahead of it."""

    def __init__(self, session: Session, saver: Saver) -> None:
        self._session = session
        self._saver = saver
        self._queue: asyncio.Queue[Batch | None] = asyncio.Queue(AHEAD)
        self._error: BaseException | None = None
        self._task = asyncio.create_task(self._work())

    async def put(self, batch: Batch) -> None:
        """Hand over a batch; wait while too many are queued. Raises what an earlier append raised."""
        if self._error is not None:
            raise self._error
        await self._queue.put(batch)

    async def settle(self) -> None:
        """Wait until everything handed over is durable. Raises what an append raised."""
        await self._queue.put(None)
        await self._task
        self._session.background = None
        if self._error is not None:
            raise self._error

    async def _work(self) -> None:
        ending = False
        while not ending:
            batches = [await self._queue.get()]
            while not self._queue.empty():
                batches.append(self._queue.get_nowait())
            ending = batches[-1] is None
            ready = [batch for batch in batches if batch is not None]
            if ready and self._error is None:
                try:
                    await aanswer(appended(self._session, ready), self._saver)
                except BaseException as error:  # told to the run, which is where it can be handled
                    self._error = error
