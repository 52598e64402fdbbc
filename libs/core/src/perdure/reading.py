"""Looking at a thread and writing to it from outside a run: from arguments to flows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from perdure.call import Settings, alone
from perdure.config import Address, address_of
from perdure.definition.blueprint import Blueprint
from perdure.engine.effects import Flow
from perdure.engine.load import Loaded, empty, is_head, load_addressed, load_at, load_head
from perdure.engine.projections import projections_of
from perdure.engine.session import Session, Terms
from perdure.engine.snapshots import nothing_yet, snapshot_of
from perdure.engine.stream import Stream
from perdure.engine.timetravel import Query, history, newest_checkpoint, state_at
from perdure.engine.update import Target, fork_at, update_state
from perdure.engine.writer import Writer
from perdure.errors import UsageError
from perdure.lineage import Asking, find_checkpoint
from perdure.ports import Current, Saver
from perdure.types import RunnableConfig, StateSnapshot, StateUpdate

Attach = Callable[[Session], None]


class Reading:
    """A compiled graph's view of its saver."""

    def __init__(self, blueprint: Blueprint, settings: Settings) -> None:
        self._blueprint = blueprint
        self._settings = settings

    @property
    def saver(self) -> Saver:
        """The saver. Raises UsageError when the graph has none."""
        saver = self._settings.saver
        if saver is None or isinstance(saver, bool):
            raise UsageError("No checkpointer set: compile the graph with checkpointer=… to have state and history.")
        return saver

    def state(self, config: RunnableConfig | None, *, subgraphs: bool) -> Asking[StateSnapshot]:
        """Return the addressed checkpoint, or the newest one live."""
        address = address_of(config)
        thread_id = address.thread
        if address.checkpoint_id is not None:
            loaded, namespace, _ = yield from state_at(thread_id, address.checkpoint_id)
            return self._view(thread_id, loaded, namespace, live=False, subgraphs=subgraphs)
        newest = yield from self._newest(thread_id, address.branch)
        if newest is None:
            return nothing_yet({"configurable": {"thread_id": thread_id}})
        graph = newest.state.graphs.get(address.namespace)
        if graph is not None and graph.checkpoint:
            view = self._view(thread_id, newest, address.namespace, live=True, subgraphs=subgraphs)
            if address.branch is None:
                self._keep(thread_id, newest)
            return view
        return (yield from self._ended(thread_id, newest.branch, address.namespace, config or {}))

    def history(
        self,
        config: RunnableConfig,
        *,
        filter: Mapping[str, Any] | None,
        before: RunnableConfig | None,
        limit: int | None,
    ) -> Asking[list[StateSnapshot]]:
        """Return the thread's checkpoints, newest first."""
        address = address_of(config)
        if address.checkpoint_id is not None:
            return [(yield from self.state(config, subgraphs=False))]
        query = Query(
            address.thread,
            self._named(address.namespace),
            namespace=address.namespace,
            branch=address.branch,
            before=address_of(before).checkpoint_id,
            limit=limit,
            wanted=_matcher(filter),
        )
        return (yield from history(query))

    def update(
        self,
        config: RunnableConfig,
        supersteps: Sequence[Sequence[StateUpdate]],
        *,
        actor: str = "",
        reason: str | None = None,
        attach: Attach = alone,
    ) -> Flow[RunnableConfig]:
        """Apply updates at the addressed checkpoint (a fork, unless it is its branch's newest)."""
        address = address_of(config)
        target, session = yield from self._target(address, actor, reason, attach)
        blueprint = self._named(target.namespace)
        if blueprint is None:
            raise UsageError(f"The graph knows no subgraph at {target.namespace!r}, so it cannot update it.")
        projections_of(self.saver).forget(address.thread)
        return (yield from update_state(session, blueprint, target, supersteps))

    def fork(
        self, config: RunnableConfig, *, name: str | None, actor: str, reason: str | None, attach: Attach = alone
    ) -> Flow[RunnableConfig]:
        """Begin a branch at the addressed checkpoint."""
        address = address_of(config)
        if address.checkpoint_id is None:
            raise UsageError("A fork needs the checkpoint it begins at: pass its config, or its id.")
        record = yield from find_checkpoint(address.thread, address.checkpoint_id)
        loaded = yield from load_at(address.thread, record.branch, record.seq)
        target = Target(record.namespace, record, name, reason)
        blueprint = self._named(target.namespace) or self._blueprint
        return (yield from fork_at(self._session(address.thread, loaded, actor, attach), blueprint, target))

    # -- parts ---------------------------------------------------------------------------------------------------

    def _target(self, address: Address, actor: str, reason: str | None, attach: Attach) -> Flow[tuple[Target, Session]]:
        thread_id = address.thread
        if address.checkpoint_id is None:
            loaded = (yield from load_head(thread_id, address.branch)) or empty()
            current: Current = "stays" if address.branch is None else "any"
            if address.namespace and not loaded.state.graph(address.namespace).checkpoint:
                raise UsageError(f"Thread {thread_id!r} has no open subgraph at {address.namespace!r} to update.")
            target = Target(address.namespace, reason=reason, current=current)
            return target, self._session(thread_id, loaded, actor, attach)
        loaded, record, forks = yield from load_addressed(thread_id, address.checkpoint_id)
        target = Target(record.namespace, reason=reason)
        if forks:
            target = Target(record.namespace, record, reason=reason, current="becomes")
        return target, self._session(thread_id, loaded, actor, attach)

    def _session(self, thread_id: str, loaded: Loaded, actor: str, attach: Attach) -> Session:
        settings = self._settings
        writer = Writer(thread_id, loaded.branch, loaded.state, clock=settings.clock, ids=settings.ids, durable=True)
        writer.actor = actor
        writer.grown, writer.snapshot_size = loaded.grown, loaded.snapshot_size
        terms = Terms(store=settings.store, only_output=False)
        session = Session(self.saver, writer, terms, Stream(), clock=settings.clock, ids=settings.ids)
        attach(session)
        return session

    def _newest(self, thread_id: str, branch: str | None) -> Asking[Loaded | None]:
        """Return the newest projection: the one kept in memory, if nobody has written since."""
        warm = projections_of(self.saver) if self._settings.warm and branch is None else None
        kept = None if warm is None else warm.take(thread_id)
        if kept is not None and (yield from is_head(thread_id, kept)):
            return kept
        return (yield from load_head(thread_id, branch))

    def _keep(self, thread_id: str, loaded: Loaded) -> None:
        if self._settings.warm:
            projections_of(self.saver).keep(thread_id, loaded)

    def _ended(self, thread_id: str, branch: str, namespace: str, config: RunnableConfig) -> Asking[StateSnapshot]:
        """Return the newest checkpoint of a subgraph whose task has ended."""
        record = yield from newest_checkpoint(thread_id, branch, namespace)
        if record is None:
            return nothing_yet(config)
        loaded, _, _ = yield from state_at(thread_id, record.checkpoint_id)
        return self._view(thread_id, loaded, namespace, live=True, subgraphs=False)

    def _view(self, thread_id: str, loaded: Loaded, namespace: str, *, live: bool, subgraphs: bool) -> StateSnapshot:
        blueprint = self._named(namespace)
        return snapshot_of(blueprint, thread_id, loaded.state, namespace, live=live, subgraphs=subgraphs)

    def _named(self, namespace: str) -> Blueprint | None:
        """Return the graph of a namespace, following nodes that are graphs; None when a node calls it in its code."""
        blueprint: Blueprint | None = self._blueprint
        for part in namespace.split("|") if namespace else ():
            if blueprint is not None and not part.isdigit():
                spec = blueprint.nodes.get(part.partition(":")[0])
                blueprint = getattr(spec and spec.call.target, "blueprint", None)
        return blueprint


def _matcher(filter: Mapping[str, Any] | None) -> Callable[[StateSnapshot], bool] | None:
    if not filter:
        return None
    wanted = dict(filter)
    return lambda one: all((one.metadata or {}).get(name) == value for name, value in wanted.items())
