"""One invoke or stream call: from its arguments to a flow that a driver can run.

Called inside a node of a running graph, a graph joins that run; anywhere else it begins one.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any, Final, Literal, TypedDict, get_args

from perdure.config import address_of, configurable_of, max_concurrency_of, recursion_limit_of
from perdure.definition.blueprint import Blueprint
from perdure.definition.updates import is_model
from perdure.engine.accept import Request
from perdure.engine.context import CURRENT, TaskContext
from perdure.engine.effects import Flow
from perdure.engine.nested import call_graph
from perdure.engine.projections import projections_of
from perdure.engine.session import Session, Terms
from perdure.engine.start import Result, Run
from perdure.engine.stream import NOBODY, Part, Stream, Subscription
from perdure.errors import UsageError
from perdure.fold import copied
from perdure.ids import RANDOM_IDS, SYSTEM_CLOCK, Clock, IdSource
from perdure.ports import Saver
from perdure.types import Durability, RunnableConfig, StreamMode

MODES: Final = ("values", "updates", "custom")


class RunOptions(TypedDict, total=False):
    """What `invoke`, `stream` and their async sisters take beside input and config.

    Attributes:
        context: Given to nodes through `runtime.context`; never stored.
        stream_mode: `values`, `updates`, `custom`, or a list of them.
        subgraphs: Stream the graphs inside, too.
        output_keys: A key, or keys, of the state to return instead of the output schema's.
        interrupt_before: Nodes before which this run stops, instead of those given to `compile`.
        interrupt_after: Nodes after which this run stops.
        durability: `sync` (default: durable before anything depends on it), `async` or `exit`.
        actor: Who does this; recorded in every event of the run.
        reason: Why; recorded with answers and forks.
    """

    context: Any
    stream_mode: StreamMode | Sequence[StreamMode] | None
    subgraphs: bool
    output_keys: str | Sequence[str] | None
    interrupt_before: Sequence[str] | Literal["*"] | None
    interrupt_after: Sequence[str] | Literal["*"] | None
    durability: Durability | None
    actor: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Settings:
    """How a compiled graph runs, beside its definition."""

    saver: Saver | bool | None = None
    store: Any = None
    warm: bool = True
    strict: bool = False
    suspending: bool = False
    clock: Clock = SYSTEM_CLOCK
    ids: IdSource = RANDOM_IDS

    def for_environment(self) -> "Settings":
        """Return the settings with what the environment adds: `PERDURE_STRICT_STATE`, `PERDURE_ALWAYS_SUSPENDING`."""
        strict = self.strict or bool(os.environ.get("PERDURE_STRICT_STATE"))
        suspending = self.suspending or bool(os.environ.get("PERDURE_ALWAYS_SUSPENDING"))
        warm = self.warm and not suspending
        return Settings(self.saver, self.store, warm, strict, suspending, self.clock, self.ids)


class Call:
    """A call that is ready to be driven: `flow`, for `saver`, with `workers` threads at most."""

    def __init__(
        self,
        blueprint: Blueprint,
        settings: Settings,
        input: Any,
        config: RunnableConfig | None,
        options: RunOptions,
        *,
        streaming: bool = False,
    ) -> None:
        unknown = set(options) - set(RunOptions.__annotations__)
        if unknown:
            raise TypeError(
                f"No such option: {', '.join(sorted(unknown))}; there are {', '.join(RunOptions.__annotations__)}."
            )
        self.blueprint = blueprint
        self.settings = settings
        self.options = options
        self.address = address_of(config)
        self.config: Mapping[str, Any] = dict(config or {})
        self.input = input
        _check_keys(blueprint, options.get("output_keys"))
        self.modes = modes_of(options.get("stream_mode"), streaming)
        self.workers = max_concurrency_of(self.config)
        self.attach: Callable[[Session], None] = alone
        self.stream = Stream()
        self.reader = NOBODY
        self._limit = recursion_limit_of(self.config)
        self._caller = self._joined()
        caller = self._caller
        if caller is not None and self.workers is None:
            self.workers = caller.session.terms.max_concurrency
        self._namespace = "" if caller is None else caller.next_call(remembers=settings.saver is True)
        if streaming:
            self.reader = Subscription(self.modes, namespace=self._namespace, subgraphs=bool(options.get("subgraphs")))
            self._readers.append(self.reader)

    @property
    def saver(self) -> Saver | None:
        """Whose methods the flow's questions go to."""
        if self._caller is not None:
            return self._caller.session.saver
        saver = self.settings.saver
        if isinstance(saver, bool):
            if saver:
                raise UsageError("checkpointer=True is for a graph inside another; give the root graph a saver.")
            return None
        return saver

    def flow(self) -> Flow[Result]:
        """Return the flow of this call."""
        return self._root() if self._caller is None else self._inner(self._caller)

    def shape(self, part: Part) -> Any:
        """Return a part as its reader sees it: data, (mode, data), (namespace, data) or (namespace, mode, data)."""
        mode, subgraphs = self.options.get("stream_mode"), self.options.get("subgraphs")
        listed = mode is not None and not isinstance(mode, str)
        path = tuple(part.namespace.split("|")) if part.namespace else ()
        if listed:
            return (path, part.mode, part.data) if subgraphs else (part.mode, part.data)
        return (path, part.data) if subgraphs else part.data

    def leave(self) -> None:
        """Stop reading."""
        if self.reader in self._readers:
            self._readers.remove(self.reader)

    @property
    def _readers(self) -> list[Subscription]:
        return (self.stream if self._caller is None else self._caller.session.stream).readers

    def _joined(self) -> TaskContext | None:
        """Return the task inside which this is called, if the call joins its run."""
        context = CURRENT.get(None)
        if context is None or self.settings.saver is False:
            return None
        thread = self.address.thread_id
        return None if thread is not None and thread != context.session.writer.thread_id else context

    def _inner(self, context: TaskContext) -> Flow[Result]:
        limit = self._limit if "recursion_limit" in self.config else None
        value = yield from call_graph(context, self.blueprint, self._namespace, self.input, limit)
        return Result(copied(value) if self.settings.saver is True else value)  # what it remembers is its own

    def _root(self) -> Flow[Result]:
        saver, address, options = self.saver, self.address, self.options
        thread_id = address.thread if saver is not None else (address.thread_id or "")
        request = Request(
            thread_id,
            self.input,
            run_id=_run_id(self.config),
            checkpoint_id=address.checkpoint_id,
            branch=address.branch,
            reason=options.get("reason"),
        )
        run = Run(
            self.blueprint,
            request,
            self._terms(),
            self.stream,
            saver=saver,
            warm=projections_of(saver) if saver is not None and self.settings.warm else None,
            clock=self.settings.clock,
            ids=self.settings.ids,
            attach=self.attach,
        )
        return run.flow()

    def _terms(self) -> Terms:
        options, config = self.options, self.config
        return Terms(
            durability=_durability(options.get("durability")),
            recursion_limit=self._limit,
            max_concurrency=self.workers,
            interrupt_before=_nodes(self.blueprint, options.get("interrupt_before")),
            interrupt_after=_nodes(self.blueprint, options.get("interrupt_after")),
            context=_context(self.blueprint.context_schema, options.get("context")),
            store=self.settings.store,
            metadata=_plain(config.get("metadata")),
            configurable=configurable_of(config),
            config={name: value for name, value in config.items() if name in ("tags", "callbacks", "run_name")},
            actor=options.get("actor", ""),
            only_output=self.reader is NOBODY,
            outer=CURRENT.get(None) if self.settings.saver is False else None,
            strict=self.settings.strict,
            suspending=self.settings.suspending,
        )


def modes_of(mode: StreamMode | Sequence[StreamMode] | None, streaming: bool) -> tuple[StreamMode, ...]:
    """Return the stream modes asked for. Raises UsageError for one that there is not."""
    if mode is None:
        mode = "updates" if streaming else "values"
    modes: tuple[StreamMode, ...] = (mode,) if isinstance(mode, str) else tuple(mode)
    unknown = [one for one in modes if one not in MODES]
    if unknown:
        raise UsageError(f"There is no stream mode {unknown[0]!r}; there are {', '.join(MODES)}.")
    return modes


def pick(values: Any, keys: str | Sequence[str] | None) -> Any:
    """Return what `output_keys` asks for of a run's output."""
    if keys is None or not isinstance(values, dict):
        return values
    if isinstance(keys, str):
        return values.get(keys)
    return {key: value for key, value in values.items() if key in keys or key == "__interrupt__"}


def _check_keys(blueprint: Blueprint, keys: str | Sequence[str] | None) -> None:
    wanted = [] if keys is None else [keys] if isinstance(keys, str) else list(keys)
    unknown = [key for key in wanted if key not in blueprint.channels]
    if unknown:
        raise UsageError(f"output_keys names {unknown}; the state has {sorted(blueprint.channels)}.")


def _durability(durability: Durability | None) -> Durability:
    if durability is None:
        return "sync"
    if durability not in get_args(Durability):
        raise UsageError(f"There is no durability {durability!r}; there are {', '.join(get_args(Durability))}.")
    return durability


def alone(_: Session) -> None:
    """Lend a session nothing: its run has no loop."""


def _nodes(blueprint: Blueprint, nodes: Sequence[str] | Literal["*"] | None) -> frozenset[str] | Literal["*"] | None:
    if nodes is None or nodes == "*":
        return nodes
    names = frozenset([nodes] if isinstance(nodes, str) else nodes)
    unknown = names - set(blueprint.nodes)
    if unknown:
        raise UsageError(f"interrupt_before/after names {sorted(unknown)}; the graph has {sorted(blueprint.nodes)}.")
    return names


def _context(schema: Any, context: Any) -> Any:
    if isinstance(context, dict) and isinstance(schema, type) and (is_dataclass(schema) or is_model(schema)):
        return schema(**context)
    return context


def _plain(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (metadata or {}).items() if type(value) in (str, int, float, bool)}


def _run_id(config: Mapping[str, Any]) -> str | None:
    run_id = config.get("run_id")
    return None if run_id is None else str(run_id)
