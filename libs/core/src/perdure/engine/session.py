"""One run: who writes it, who reads it, and under which terms. Shared by the root graph and all graphs inside."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, Literal

from perdure.engine.background import Background
from perdure.engine.stream import Stream
from perdure.engine.writer import Writer
from perdure.events import Event, Record, Value
from perdure.ids import Clock, IdSource
from perdure.ports import Saver
from perdure.rules.project import GraphState, ThreadState, Written
from perdure.types import Durability

RECURSION_LIMIT: Final = 10_007
"""Supersteps a run may take unless told otherwise (LangGraph's default)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the caller asked for: fixed for the whole run."""

    durability: Durability = "sync"
    recursion_limit: int = RECURSION_LIMIT
    max_concurrency: int | None = None
    """Tasks that a graph runs side by side at most; graphs inside take it on."""
    interrupt_before: Collection[str] | Literal["*"] | None = None
    interrupt_after: Collection[str] | Literal["*"] | None = None
    context: Value = None
    store: Any = None
    metadata: Mapping[str, Value] = field(default_factory=dict)
    configurable: Mapping[str, Value] = field(default_factory=dict)
    config: Mapping[str, Value] = field(default_factory=dict)
    actor: str = ""
    only_output: bool = True
    """Show callers the output schema's keys only (`invoke`), or the whole state (`stream`)."""
    strict: bool = False
    """Compare the projection with one made from bytes after each step (`strict_state`)."""
    outer: Any = None
    """The `TaskContext` in which this run's graph was called, when it keeps nothing (`checkpointer=False`)."""
    suspending: bool = False
    """Drop the projection after every append and fold it anew from the log: proof that nothing lives in memory only."""


class Session:
    """A run in progress."""

    __slots__ = (
        "agate",
        "background",
        "calls",
        "clock",
        "failed",
        "flush_in_loop",
        "gate",
        "ids",
        "loop",
        "pause_update",
        "saver",
        "settled",
        "stopped_at",
        "stream",
        "terms",
        "writer",
    )

    def __init__(
        self, saver: Saver | None, writer: Writer, terms: Terms, stream: Stream, *, clock: Clock, ids: IdSource
    ) -> None:
        self.saver = saver
        self.writer = writer
        self.terms = terms
        self.clock = clock
        self.ids = ids
        self.stream = stream
        self.stopped_at: list[str] = []
        self.calls = Lock()
        """Held while it is decided whether a graph inside begins anew."""
        self.gate = Lock()
        self.agate = asyncio.Lock()
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop of an async run: whatever a thread of it records is flushed there."""
        self.flush_in_loop: Callable[[Session, bool], Coroutine[Any, Any, None]] = _no_loop
        self.background: Background | None = None
        """Durability `async`: who appends behind the run's back."""
        self.pause_update: tuple[tuple[str, Value], ...] = ()
        """What this run was given for a node that had paused; graphs inside that paused take it on, too."""
        self.failed: BaseException | None = None
        """What an append raised: from then on the run appends nothing, for what was lost stays lost."""
        self.settled = False
        """Something of this run is durable: from here on a lost race is final."""

    @property
    def state(self) -> ThreadState:
        """The projection. Ask again after every effect: it may have been folded anew."""
        return self.writer.state

    def graph(self, namespace: str) -> GraphState:
        """Return where one graph of this run stands."""
        return self.writer.state.graph(namespace)

    def record(self, event: Event, namespace: str = "", task_id: str = "", *, written: Written | None = None) -> Record:
        """Record an event in memory; the next `Flush` makes it durable."""
        return self.writer.record(event, namespace, task_id, written=written)


async def _no_loop(session: Session, last: bool) -> None:
    raise RuntimeError(f"run {session.writer.run_id} has no loop (last={last})")
