"""`CompiledGraph`: a graph that can be run, looked at and written to, in both worlds.

Each public method exists twice, sync and async; both build the same flow and hand it to a driver.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Unpack

from perdure.call import Call, RunOptions, Settings, pick
from perdure.definition.blueprint import Blueprint
from perdure.engine.drive_async import AsyncDriver
from perdure.engine.drive_sync import SyncDriver
from perdure.engine.start import Result, check, outcome
from perdure.lineage import aanswer, answer
from perdure.reading import Reading
from perdure.thread import Thread
from perdure.types import RunnableConfig, StateSnapshot, StateUpdate


class CompiledGraph:
    """A graph ready to run. Made by `StateGraph.compile`."""

    def __init__(self, blueprint: Blueprint, settings: Settings, builder: Any = None) -> None:
        self.blueprint = blueprint
        self.settings = settings.for_environment()
        self.builder = builder
        self._reading = Reading(blueprint, self.settings)

    @property
    def name(self) -> str:
        """The graph's name, as the log shows it."""
        return self.blueprint.name

    def get_name(self) -> str:
        """Return the graph's name: what a node made of it is called unless told otherwise."""
        return self.blueprint.name

    @property
    def checkpointer(self) -> Any:
        """The saver it was compiled with (or True, False, None)."""
        return self.settings.saver

    @property
    def nodes(self) -> Mapping[str, Any]:
        """The nodes by name."""
        return self.blueprint.nodes

    # -- running -------------------------------------------------------------------------------------------------

    def invoke(self, input: Any, config: RunnableConfig | None = None, **options: Unpack[RunOptions]) -> Any:
        """Run the graph until it ends or waits, and return the state (with `__interrupt__` when it waits).

        Args:
            input: A dict (or state object): a new turn, or an update for a node paused with InterruptedError. A
                `Command`: answer, update, goto. None: go on with what is open.
            config: `thread_id`, `checkpoint_id`, `recursion_limit`, … (see `RunnableConfig`).
            **options: See `RunOptions`.

        Raises whatever a node raised, after it was recorded; UsageError for a call that cannot be served.
        """
        if options.get("stream_mode") not in (None, "values"):
            return list(self.stream(input, config, **options))
        call = Call(self.blueprint, self.settings, input, config, options)
        driver: SyncDriver[Result] = SyncDriver(call.saver, workers=call.workers)
        return pick(outcome(driver.run(call.flow())), options.get("output_keys"))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **options: Unpack[RunOptions]) -> Any:
        """`invoke`, async."""
        if options.get("stream_mode") not in (None, "values"):
            return [part async for part in self.astream(input, config, **options)]
        call = Call(self.blueprint, self.settings, input, config, options)
        driver: AsyncDriver[Result] = AsyncDriver(call.saver, workers=call.workers)
        call.attach = driver.lend
        return pick(outcome(await driver.run(call.flow())), options.get("output_keys"))

    def stream(self, input: Any, config: RunnableConfig | None = None, **options: Unpack[RunOptions]) -> Iterator[Any]:
        """Run the graph and yield parts of `stream_mode` (default `updates`) as they become durable.

        Closing the iterator cancels the run. Arguments and errors as of `invoke`.
        """
        call = Call(self.blueprint, self.settings, input, config, options, streaming=True)
        driver: SyncDriver[Result] = SyncDriver(call.saver, call.reader, call.workers)
        try:
            for part in driver.drive(call.flow()):
                yield call.shape(part)
        finally:
            call.leave()
        check(driver.result)

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **options: Unpack[RunOptions]
    ) -> AsyncIterator[Any]:
        """`stream`, async."""
        call = Call(self.blueprint, self.settings, input, config, options, streaming=True)
        driver: AsyncDriver[Result] = AsyncDriver(call.saver, call.reader, call.workers)
        call.attach = driver.lend
        try:
            async with aclosing(driver.drive(call.flow())) as parts:
                async for part in parts:
                    yield call.shape(part)
        finally:
            call.leave()
        check(driver.result)

    # -- looking -------------------------------------------------------------------------------------------------

    def get_state(self, config: RunnableConfig, *, subgraphs: bool = False) -> StateSnapshot:
        """Return the newest state (live), or the checkpoint that `config` addresses (as recorded)."""
        return answer(self._reading.state(config, subgraphs=subgraphs), self._reading.saver)

    async def aget_state(self, config: RunnableConfig, *, subgraphs: bool = False) -> StateSnapshot:
        """`get_state`, async."""
        return await aanswer(self._reading.state(config, subgraphs=subgraphs), self._reading.saver)

    def get_state_history(
        self,
        config: RunnableConfig,
        *,
        filter: Mapping[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[StateSnapshot]:
        """Yield the thread's checkpoints, newest first, of all branches (or of `config`'s `branch`).

        Args:
            config: The thread; with `checkpoint_ns`, one of its subgraphs.
            filter: Only those whose metadata has these values.
            before: Only those older than this checkpoint.
            limit: At most so many.
        """
        flow = self._reading.history(config, filter=filter, before=before, limit=limit)
        yield from answer(flow, self._reading.saver)

    async def aget_state_history(
        self,
        config: RunnableConfig,
        *,
        filter: Mapping[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[StateSnapshot]:
        """`get_state_history`, async."""
        flow = self._reading.history(config, filter=filter, before=before, limit=limit)
        for snapshot in await aanswer(flow, self._reading.saver):
            yield snapshot

    # -- writing -------------------------------------------------------------------------------------------------

    def update_state(
        self, config: RunnableConfig, values: Any, as_node: str | None = None, task_id: str | None = None
    ) -> RunnableConfig:
        """Write to the state as if node `as_node` had returned `values`; return the new checkpoint's config.

        On an old checkpoint it begins a branch. Raises InvalidUpdateError when it is unclear which node it speaks for.
        """
        return self.bulk_update_state(config, [[StateUpdate(values, as_node, task_id)]])

    async def aupdate_state(
        self, config: RunnableConfig, values: Any, as_node: str | None = None, task_id: str | None = None
    ) -> RunnableConfig:
        """`update_state`, async."""
        return await self.abulk_update_state(config, [[StateUpdate(values, as_node, task_id)]])

    def bulk_update_state(self, config: RunnableConfig, supersteps: Sequence[Sequence[StateUpdate]]) -> RunnableConfig:
        """Apply lists of updates, a checkpoint a list; return the last one's config."""
        driver: SyncDriver[RunnableConfig] = SyncDriver(self._reading.saver)
        return driver.run(self._reading.update(config, supersteps))

    async def abulk_update_state(
        self, config: RunnableConfig, supersteps: Sequence[Sequence[StateUpdate]]
    ) -> RunnableConfig:
        """`bulk_update_state`, async."""
        driver: AsyncDriver[RunnableConfig] = AsyncDriver(self._reading.saver)
        return await driver.run(self._reading.update(config, supersteps, attach=driver.lend))

    def thread(self, thread_id: str, *, actor: str = "") -> Thread:
        """Return a handle of one thread, so that nobody has to build config dicts.

        Args:
            thread_id: The thread; it need not exist yet.
            actor: Who acts through the handle; recorded with everything done through it.
        """
        return Thread(self, thread_id, actor=actor)

    @property
    def reading(self) -> Reading:
        """What a handle needs of this graph."""
        return self._reading
