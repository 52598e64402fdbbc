"""Writing to a thread's state from outside: `update_state`, `bulk_update_state`, `fork`. Flows.

An update speaks for a node: its routers and edges decide what comes next, as if the node had returned the update. On an
old checkpoint it begins a branch. Finished tasks of the open step are committed with it; open ones that are planned
again keep their ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from perdure.definition.blueprint import Blueprint
from perdure.engine.accept import fork, keep_open, keep_path_open
from perdure.engine.effects import Failed, Flow, Flush, Outcome, Perform, Succeeded
from perdure.engine.outcome import related, track
from perdure.engine.session import Session
from perdure.engine.snapshots import config_of
from perdure.engine.task import job
from perdure.errors import InvalidUpdateError, UsageError
from perdure.events import PlannedTask, Record, StateUpdated, Value, Write
from perdure.ports import Current
from perdure.rules.commit import Done, begin, commit, finished, together
from perdure.rules.project import GraphState, TaskState
from perdure.rules.returns import Result, interpret, unknown_node
from perdure.types import END, INPUT, START, RunnableConfig, StateUpdate

COPY = "__copy__"
NO_LIMIT = 1 << 31


@dataclass(frozen=True, slots=True)
class Target:
    """Which graph of the thread is written to, and where its branch begins if it is to be a new one."""

    namespace: str = ""
    fork_at: Record | None = None
    name: str | None = None
    reason: str | None = None
    current: Current = "any"


def update_state(
    session: Session, blueprint: Blueprint, target: Target, supersteps: Sequence[Sequence[StateUpdate]]
) -> Flow[RunnableConfig]:
    """Apply updates, a checkpoint a superstep; return the config of the last one.

    Raises UsageError or InvalidUpdateError; then nothing is written.
    """
    if not supersteps:
        raise UsageError("No supersteps provided: pass at least one list of updates.")
    if any(not updates for updates in supersteps):
        raise UsageError("No updates provided: each superstep needs at least one.")
    namespace = target.namespace
    if target.fork_at is not None:
        fork(session, target.fork_at, name=target.name, reason=target.reason)
    session.writer.current = target.current
    track(blueprint, session.graph(namespace))
    for updates in supersteps:
        yield from _superstep(session, blueprint, target, updates)
    yield Flush(session, last=True)
    return config_of(session.writer.thread_id, namespace, session.graph(namespace).checkpoint)


def fork_at(session: Session, blueprint: Blueprint, target: Target) -> Flow[RunnableConfig]:
    """Begin a branch at a checkpoint, with its open tasks; return the config of the branch's first checkpoint."""
    assert target.fork_at is not None
    fork(session, target.fork_at, name=target.name, reason=target.reason)
    session.writer.current = target.current
    keep_path_open(session, blueprint, target.namespace)
    yield Flush(session, last=True)
    return config_of(session.writer.thread_id, target.namespace, session.graph(target.namespace).checkpoint)


def _superstep(session: Session, blueprint: Blueprint, target: Target, updates: Sequence[StateUpdate]) -> Flow[None]:
    namespace, graph = target.namespace, session.graph(target.namespace)
    if len(updates) == 1:
        values, as_node, _ = updates[0]
        if as_node == INPUT:
            return _input(session, blueprint, namespace, values)
        if as_node == COPY:
            return keep_open(session, blueprint, namespace)
        if as_node == END:
            return _clear(session, blueprint, target, values)
    named = [update.task_id for update in updates if update.task_id is not None]
    if len(set(named)) < len(named):
        raise UsageError(f"Two updates of one superstep have the same task_id: {named}.")
    done = together(blueprint, graph)
    for values, as_node, task_id in updates:
        node = _speaker(blueprint, graph, as_node, alone=len(updates) == 1)
        done.append((yield from _one(session, blueprint, target, StateUpdate(values, node, task_id))))
    session.record(commit(blueprint, graph, done, session.ids.mint, source="update"), namespace)
    return None


def _one(session: Session, blueprint: Blueprint, target: Target, update: StateUpdate) -> Flow[Done]:
    """Record one update, its node's routers asked."""
    namespace, node = target.namespace, update.as_node
    assert node is not None
    id = update.task_id or session.ids.mint()
    body: Result = (
        (blueprint.input_writes.pairs(update.values), ())
        if node == START
        else interpret(blueprint, node, update.values)
    )
    task = TaskState(PlannedTask(id, node), body=body)
    outcome: Outcome = yield Perform(job(session, blueprint, namespace, task, NO_LIMIT))
    match outcome:
        case Succeeded(writes, routes):
            event = StateUpdated(node, related(blueprint, session.graph(namespace), writes), routes, target.reason)
            session.record(event, namespace, id, written=writes)
            return Done(id, node, *session.graph(namespace).updates[id])
        case Failed(error):
            raise error
        case _:
            raise InvalidUpdateError(
                f"The router of node {node!r} paused; an update cannot wait. Give another as_node."
            )


def _input(session: Session, blueprint: Blueprint, namespace: str, values: Value) -> None:
    """Write as an input does: the graph will start anew with it."""
    writes = tuple(Write(*one) for one in blueprint.input_writes.pairs(values))
    session.record(StateUpdated(INPUT, writes), namespace, session.ids.mint())
    session.record(begin(blueprint, session.graph(namespace), session.ids.mint), namespace)


def _clear(session: Session, blueprint: Blueprint, target: Target, values: Value) -> None:
    """Commit what is finished and drop what is open."""
    if values is not None:
        raise InvalidUpdateError("as_node=END drops the open tasks and takes no values: pass None.")
    graph = session.graph(target.namespace)
    event = commit(blueprint, graph, together(blueprint, graph), session.ids.mint, source="update")
    ended = type(event)(event.parent, event.step, event.source, event.changes, ())
    session.record(ended, target.namespace)


def _speaker(blueprint: Blueprint, graph: GraphState, as_node: str | None, *, alone: bool) -> str:
    """Return the node that an update speaks for."""
    if as_node is not None:
        if as_node != START and as_node not in blueprint.nodes:
            raise InvalidUpdateError(unknown_node(blueprint, as_node))
        return as_node
    if not alone:
        raise InvalidUpdateError("Several updates in one superstep each need as_node.")
    if not graph.last:
        return START
    candidates = [one.node for one in finished(graph) if one.node is not None] or list(graph.last)
    distinct = sorted(set(candidates))
    if len(distinct) == 1:
        return distinct[0]
    raise InvalidUpdateError(
        f"Ambiguous update, specify as_node: the newest step ran {distinct or 'nothing'}, and an update speaks for one"
        " node."
    )
