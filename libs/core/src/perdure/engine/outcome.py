"""Outcomes become events: what a task did, as it will stand in the log."""

import traceback

from perdure.channels.base import MISSING
from perdure.channels.describe import marks, relate
from perdure.codec_parts import path_of
from perdure.codecs import to_tree
from perdure.definition.blueprint import Blueprint
from perdure.engine.effects import Asked, Body, Failed, Succeeded
from perdure.engine.session import Session
from perdure.errors import EncodeError
from perdure.events import Question, Route, TaskFailed, TaskInterrupted, TaskSucceeded, Value, Write
from perdure.rules.project import GraphState, TaskState, Written, parent_namespace
from perdure.types import START


def success(
    blueprint: Blueprint, graph: GraphState, task: TaskState, outcome: Succeeded, kept: Written
) -> TaskSucceeded:
    """Return the event of a task that succeeded; `kept` are those of its writes that are recorded."""
    if task.plan.node == START:
        writes = tuple(Write(channel, index, "input") for index, (channel, _) in enumerate(kept))
    else:
        writes = related(blueprint, graph, kept)
    return TaskSucceeded(task.plan.node, writes, outcome.routes, task.attempts + 1, outcome.duration_us)


def unstorable(writes: Written) -> EncodeError | None:
    """Return the error of the first value that cannot be stored, its path as the node returned it."""
    for channel, value in writes:
        try:
            to_tree(value, path_of(channel))
        except EncodeError as error:
            return error
    return None


def failure(blueprint: Blueprint, graph: GraphState, task: TaskState, outcome: Failed, *, retried: bool) -> TaskFailed:
    """Return the event of an attempt that failed."""
    error = outcome.error
    return TaskFailed(
        node=task.plan.node,
        error=type_name(error),
        message=text_of(error),
        traceback=_traceback(error),
        attempt=task.attempts + 1,
        retried=retried,
        body=_kept(blueprint, graph, task, outcome.body),
    )


def pause(blueprint: Blueprint, graph: GraphState, task: TaskState, outcome: Asked) -> TaskInterrupted:
    """Return the event of a task that waits."""
    questions = tuple(Question(one.id, one.value, one.response_schema) for one in outcome.interrupts)
    paused = None if outcome.pause is None else text_of(outcome.pause)
    return TaskInterrupted(task.plan.node, questions, paused, _kept(blueprint, graph, task, outcome.body))


def type_name(error: BaseException) -> str:
    """Return the full name of an error's type (builtins without their module)."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def text_of(error: BaseException) -> str:
    """Return an error's message, or that it has none to give."""
    try:
        return str(error)
    except Exception as exc:  # noqa: BLE001 - its __str__ is user code
        return f"<{type_name(error)}: its text raised {type_name(exc)}>"


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - user code, as above
        return "".join(traceback.format_tb(error.__traceback__))


def related(blueprint: Blueprint, graph: GraphState, writes: Written) -> tuple[Write, ...]:
    """Return writes as they are stored: relative to what their channels hold, where that is smaller."""
    return tuple([_related(blueprint, graph, channel, value) for channel, value in writes])


def inherited(session: Session, namespace: str, writes: Written) -> tuple[Write, ...]:
    """Return a subgraph's input as it is stored: what equals the enclosing graph's state is a reference to it.

    To that state as the log has it: the calling node may have changed items in place before it handed them on.
    """
    outer = session.graph(parent_namespace(namespace))
    found: list[Write] = []
    for channel, value in writes:
        held = outer.values.get(channel, MISSING)
        same = type(value) in (list, dict, str) and type(held) is type(value)
        if same:
            before = outer.tracked.get(channel)
            same = marks(value) == (marks(held) if before is None else before)
        found.append(Write(channel, channel, "parent") if same else Write(channel, value))
    return tuple(found)


def track(blueprint: Blueprint, graph: GraphState) -> None:
    """Take the fingerprints of the channels whose writes are stored relative to what they hold."""
    for name in blueprint.compared:
        if name not in graph.tracked:
            held = graph.values.get(name, MISSING)
            graph.tracked[name] = None if held is MISSING else marks(held)


def _kept(
    blueprint: Blueprint, graph: GraphState, task: TaskState, body: Body | None
) -> tuple[tuple[Write, ...], tuple[Route, ...]] | None:
    """Return what a node returned, as it is stored while its router has not decided."""
    if body is None or task.plan.node == START:
        return None
    return related(blueprint, graph, body[0]), body[1]


def _related(blueprint: Blueprint, graph: GraphState, channel: str, value: Value) -> Write:
    kind = type(value)
    if (kind is list or kind is dict or (kind is str and len(value) >= 32)) and channel in graph.tracked:
        held = graph.values.get(channel, MISSING)
        if type(held) is kind:
            how, operand = relate(held, graph.tracked[channel], value)
            return Write(channel, operand, how)
    return Write(channel, value)
