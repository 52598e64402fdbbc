"""`Thread`: the handle of one thread of a graph, so that nobody has to build config dicts.

It holds a thread id, a branch or checkpoint if told so, and who acts; what it does, the graph does.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, Unpack

from perdure.call import RunOptions
from perdure.chain import GENESIS
from perdure.codec import decode_event
from perdure.engine.drive_async import AsyncDriver
from perdure.engine.drive_sync import SyncDriver
from perdure.engine.verify import Verification, verify
from perdure.events import Event, Record
from perdure.ids import locate_checkpoint
from perdure.lineage import PAGE, Ask, Asking, aanswer, answer, check, lineage, no_such_branch
from perdure.ports import Branch, Head
from perdure.reading import Reading
from perdure.types import Command, Interrupt, RunnableConfig, StateSnapshot, StateUpdate


class Graph(Protocol):
    """What a handle needs of a compiled graph."""

    @property
    def reading(self) -> Reading:
        """What a handle needs of this graph."""
        ...

    def invoke(self, input: Any, config: RunnableConfig | None = None, **options: Unpack[RunOptions]) -> Any:
        """Run the graph."""
        ...

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **options: Unpack[RunOptions]) -> Any:
        """Run the graph, async."""
        ...

    def stream(self, input: Any, config: RunnableConfig | None = None, **options: Unpack[RunOptions]) -> Iterator[Any]:
        """Run the graph and yield parts."""
        ...

    def astream(
        self, input: Any, config: RunnableConfig | None = None, **options: Unpack[RunOptions]
    ) -> AsyncIterator[Any]:
        """Run the graph and yield parts, async."""
        ...


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event of a thread's log, for readers: the envelope, and the decoded event."""

    record: Record
    event: Event

    @property
    def seq(self) -> int:
        """Its number along its line of history."""
        return self.record.seq

    @property
    def kind(self) -> str:
        """Its name: `TaskSucceeded`, `StepCommitted`, …"""
        return self.record.kind

    @property
    def branch(self) -> str:
        """The branch it was written on."""
        return self.record.branch

    @property
    def actor(self) -> str:
        """Who did it."""
        return self.record.actor

    @property
    def at(self) -> datetime:
        """When it was recorded, by the writer's clock, UTC."""
        return datetime.fromtimestamp(self.record.recorded_at / 1e6, UTC)


class Thread:
    """One thread of a graph."""

    def __init__(self, graph: Graph, thread_id: str, *, actor: str = "", branch: str | None = None) -> None:
        self.id = thread_id
        self.branch = branch
        """The branch this handle stays on; None: whichever is current (the one that last started a run)."""
        self._graph = graph
        self._actor = actor

    @property
    def config(self) -> RunnableConfig:
        """The config that addresses this thread, and this handle's branch if it has one."""
        place = {"thread_id": self.id}
        return {"configurable": place if self.branch is None else {**place, "branch": self.branch}}

    # -- running -------------------------------------------------------------------------------------------------

    def invoke(self, input: Any = None, **options: Unpack[RunOptions]) -> Any:
        """Run the thread; None goes on with what is open. See `CompiledGraph.invoke`."""
        return self._graph.invoke(input, self.config, **self._signed(options))

    async def ainvoke(self, input: Any = None, **options: Unpack[RunOptions]) -> Any:
        """`invoke`, async."""
        return await self._graph.ainvoke(input, self.config, **self._signed(options))

    def stream(self, input: Any = None, **options: Unpack[RunOptions]) -> Iterator[Any]:
        """Run the thread and yield parts. See `CompiledGraph.stream`."""
        return self._graph.stream(input, self.config, **self._signed(options))

    def astream(self, input: Any = None, **options: Unpack[RunOptions]) -> AsyncIterator[Any]:
        """`stream`, async."""
        return self._graph.astream(input, self.config, **self._signed(options))

    def resume(self, answer: Any, **options: Unpack[RunOptions]) -> Any:
        """Answer the open question (or `{interrupt id: answer}`) and run on."""
        return self.invoke(Command(resume=answer), **options)

    async def aresume(self, answer: Any, **options: Unpack[RunOptions]) -> Any:
        """`resume`, async."""
        return await self.ainvoke(Command(resume=answer), **options)

    # -- looking -------------------------------------------------------------------------------------------------

    def state(self, *, at: str | StateSnapshot | None = None, subgraphs: bool = False) -> StateSnapshot:
        """Return the newest state, or (`at`: a checkpoint id or its snapshot) a past one."""
        return answer(self._reading.state(self._at(at), subgraphs=subgraphs), self._reading.saver)

    async def astate(self, *, at: str | StateSnapshot | None = None, subgraphs: bool = False) -> StateSnapshot:
        """`state`, async."""
        return await aanswer(self._reading.state(self._at(at), subgraphs=subgraphs), self._reading.saver)

    def history(
        self, *, limit: int | None = None, filter: Mapping[str, Any] | None = None, branch: str | None = None
    ) -> list[StateSnapshot]:
        """Return checkpoints, newest first, of all branches or of one branch's line of history."""
        return answer(self._history(limit, filter, branch), self._reading.saver)

    async def ahistory(
        self, *, limit: int | None = None, filter: Mapping[str, Any] | None = None, branch: str | None = None
    ) -> list[StateSnapshot]:
        """`history`, async."""
        return await aanswer(self._history(limit, filter, branch), self._reading.saver)

    def branches(self) -> list[Branch]:
        """Return the thread's branches, parents before children."""
        return self._reading.saver.branches(self.id)

    async def abranches(self) -> list[Branch]:
        """`branches`, async."""
        return await self._reading.saver.abranches(self.id)

    def events(self, *, branch: str | None = None, after: int = 0, limit: int | None = None) -> list[LoggedEvent]:
        """Return the log of a branch (default: the current one), its parents' part included, `seq > after`."""
        return answer(_events(self.id, branch or self.branch, after, limit), self._reading.saver)

    async def aevents(
        self, *, branch: str | None = None, after: int = 0, limit: int | None = None
    ) -> list[LoggedEvent]:
        """`events`, async."""
        return await aanswer(_events(self.id, branch or self.branch, after, limit), self._reading.saver)

    def pending(self) -> tuple[Interrupt, ...]:
        """Return the open questions."""
        return self.state().interrupts

    async def apending(self) -> tuple[Interrupt, ...]:
        """`pending`, async."""
        return (await self.astate()).interrupts

    def verify(self) -> Verification:
        """Recompute the hash chain of every branch; the result names the first event that does not hold."""
        return answer(verify(self.id), self._reading.saver)

    async def averify(self) -> Verification:
        """`verify`, async."""
        return await aanswer(verify(self.id), self._reading.saver)

    # -- writing -------------------------------------------------------------------------------------------------

    def update(
        self,
        values: Any,
        *,
        as_node: str | None = None,
        at: str | StateSnapshot | None = None,
        reason: str | None = None,
    ) -> RunnableConfig:
        """Write to the state, as `as_node`; on an old checkpoint (`at`) that begins a branch."""
        steps = [[StateUpdate(values, as_node)]]
        flow = self._reading.update(self._at(at), steps, actor=self._actor, reason=reason)
        driver: SyncDriver[RunnableConfig] = SyncDriver(self._reading.saver)
        return driver.run(flow)

    async def aupdate(
        self,
        values: Any,
        *,
        as_node: str | None = None,
        at: str | StateSnapshot | None = None,
        reason: str | None = None,
    ) -> RunnableConfig:
        """`update`, async."""
        steps = [[StateUpdate(values, as_node)]]
        driver: AsyncDriver[RunnableConfig] = AsyncDriver(self._reading.saver)
        flow = self._reading.update(self._at(at), steps, actor=self._actor, reason=reason, attach=driver.lend)
        return await driver.run(flow)

    def fork(self, at: str | StateSnapshot, *, name: str | None = None, reason: str | None = None) -> "Thread":
        """Begin a branch at a checkpoint and return its handle. The old branch keeps every byte."""
        config = self._at(at)
        flow = self._reading.fork(config, name=name, actor=self._actor, reason=reason)
        driver: SyncDriver[RunnableConfig] = SyncDriver(self._reading.saver)
        return self._forked(driver.run(flow))

    async def afork(self, at: str | StateSnapshot, *, name: str | None = None, reason: str | None = None) -> "Thread":
        """`fork`, async."""
        config = self._at(at)
        driver: AsyncDriver[RunnableConfig] = AsyncDriver(self._reading.saver)
        flow = self._reading.fork(config, name=name, actor=self._actor, reason=reason, attach=driver.lend)
        return self._forked(await driver.run(flow))

    # -- parts ---------------------------------------------------------------------------------------------------

    @property
    def _reading(self) -> Reading:
        return self._graph.reading

    def _at(self, checkpoint: str | StateSnapshot | None) -> RunnableConfig:
        if checkpoint is None:
            return self.config
        if isinstance(checkpoint, StateSnapshot):
            checkpoint = checkpoint.config["configurable"]["checkpoint_id"]
        return {"configurable": {"thread_id": self.id, "checkpoint_id": checkpoint}}

    def _forked(self, config: RunnableConfig) -> "Thread":
        place = locate_checkpoint(config["configurable"]["checkpoint_id"])
        assert place is not None
        return Thread(self._graph, self.id, actor=self._actor, branch=place[0])

    def _signed(self, options: RunOptions) -> RunOptions:
        return {"actor": self._actor, **options} if self._actor else options

    def _history(
        self, limit: int | None, filter: Mapping[str, Any] | None, branch: str | None
    ) -> Asking[list[StateSnapshot]]:
        place = {"thread_id": self.id} if branch is None else {"thread_id": self.id, "branch": branch}
        return self._reading.history({"configurable": place}, filter=filter, before=None, limit=limit)


def _events(thread_id: str, branch: str | None, after: int, limit: int | None) -> Asking[list[LoggedEvent]]:
    head: Head | None = yield Ask("head", (thread_id, branch))
    branches: list[Branch] = yield Ask("branches", (thread_id,))
    if head is None:
        if branch is not None:
            raise no_such_branch(thread_id, branch, branches)
        return []
    found: list[LoggedEvent] = []
    previous = GENESIS if after == 0 else None
    for segment in lineage(branches, head.branch, head.seq):
        at = max(after, segment.after)
        while at < segment.upto and (limit is None or len(found) < limit):
            size = PAGE if limit is None else min(PAGE, limit - len(found))
            page: Sequence[Record] = yield Ask(
                "read", (thread_id, segment.branch), {"after": at, "upto": segment.upto, "limit": size}
            )
            if not page:
                break
            for record in page:
                if previous is not None:
                    check(previous, record)
                previous = record.hash
                found.append(LoggedEvent(record, decode_event(record)))
            at = page[-1].seq
    return found
