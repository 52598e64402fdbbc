"""A graph called inside a task: it joins its caller's run, thread and writer, in a namespace of its own. A flow."""

from typing import Any

from perdure.definition.blueprint import Blueprint
from perdure.engine.accept import beside, start_graph
from perdure.engine.context import TaskContext
from perdure.engine.effects import Flow, Flush
from perdure.engine.outcome import inherited
from perdure.engine.parts import show_resumed
from perdure.engine.run import Broken, Ended, Steps, Waiting
from perdure.engine.session import Session
from perdure.errors import UsageError
from perdure.events import SubgraphStarted, Value
from perdure.rules.returns import shown
from perdure.rules.untracked import apply_loose, split
from perdure.signals import GraphInterrupt
from perdure.types import Command


def call_graph(
    context: TaskContext, blueprint: Blueprint, namespace: str, given: Any, limit: int | None = None
) -> Flow[Value]:
    """Run a graph inside a task, for `limit` supersteps (None: its caller's limit), and return its output.

    A call that the log knows already is taken up where it stood, and one that has ended is not run again: its input is
    the recorded one.

    Raises GraphInterrupt or InterruptedError when it waits, and whatever made it break.
    """
    session = context.session
    graph = session.graph(namespace)
    limit = session.terms.recursion_limit if limit is None else limit
    with session.calls:
        begins = _begins(context, blueprint, namespace)
        if begins:
            _begin(context, blueprint, namespace, {} if isinstance(given, Command) or given is None else given)
    if not begins and graph.tasks:
        _take_on(session, blueprint, namespace)
        show_resumed(session, blueprint, namespace)
    steps = Steps(session, blueprint, namespace, last_step=session.graph(namespace).step + limit + 1)
    end = yield from steps.run()
    match end:
        case Ended():
            if any(reader.namespace for reader in session.stream.readers):
                yield Flush(session)  # somebody inside a node reads this graph's parts
            return shown(blueprint, session.graph(namespace), only_output=True)
        case Waiting(pause):
            yield Flush(session)
            if pause is not None:
                raise pause
            raise GraphInterrupt()
        case Broken(error):
            yield Flush(session)
            raise error


def _begin(context: TaskContext, blueprint: Blueprint, namespace: str, given: Value) -> None:
    """Record that the graph was called, by whom and with what."""
    session = context.session
    pairs, loose = split(blueprint, blueprint.input_writes.pairs(given, drop=True))
    writes = inherited(session, namespace, pairs)
    event = SubgraphStarted(blueprint.name, blueprint.fingerprint, writes)
    session.record(event, namespace, context.task.id, written=pairs)
    start_graph(session, blueprint, namespace)
    apply_loose(blueprint, session.graph(namespace), loose)


def _take_on(session: Session, blueprint: Blueprint, namespace: str) -> None:
    """Apply what the run was given for a paused node, where the pause is inside this graph."""
    tasks = session.graph(namespace).tasks.values()
    if session.pause_update and any(task.paused is not None for task in tasks):
        writes = [(key, value) for key, value in session.pause_update if key in blueprint.input_writes.keys]
        if writes:
            beside(session, blueprint, writes, (), namespace)


def _begins(context: TaskContext, blueprint: Blueprint, namespace: str) -> bool:
    """Tell whether a call starts anew: there is none yet, or the graph remembers one that has ended or been left.

    Raises UsageError when another task is in the middle of a call of a graph that remembers.
    """
    graph = context.session.state.graphs.get(namespace)
    if graph is None or not graph.checkpoint:
        return True
    if graph.caller == context.task.id:
        return False
    other = context.session.graph(context.namespace).tasks.get(graph.caller)
    if other is not None and other.writes is None:
        raise UsageError(
            f"Two tasks call the graph {blueprint.name!r} in node {context.task.node!r} at once, but it remembers from"
            " call to call (checkpointer=True), so it can serve one at a time. Compile it without."
        )
    return True
