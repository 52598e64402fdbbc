"""From what is recorded to what is streamed: LangGraph's shapes of `values` and `updates`."""

from collections import Counter
from collections.abc import Container, Iterable

from perdure.definition.blueprint import Blueprint
from perdure.definition.updates import ROOT
from perdure.engine.session import Session
from perdure.events import Question, Value
from perdure.fold import own
from perdure.rules.commit import Done, finished, together
from perdure.rules.plan import runnable, task_questions
from perdure.rules.project import TaskState, Written
from perdure.rules.returns import preview, shown
from perdure.types import START, Interrupt

INTERRUPT = "__interrupt__"


def show_commit(session: Session, blueprint: Blueprint, namespace: str, done: list[Done]) -> None:
    """Stream the state after a step that wrote something a reader sees."""
    if session.stream.wanted("values", namespace):
        keys = output_keys(session, blueprint, namespace)
        if any(channel in keys for one in done for channel, _ in one.writes):
            session.stream.hold(namespace, "values", state_values(session, blueprint, namespace))


def show_task(session: Session, blueprint: Blueprint, namespace: str, node: str, writes: Written) -> None:
    """Stream what a task wrote."""
    if node != START and session.stream.wanted("updates", namespace):
        update = _update(writes, output_keys(session, blueprint, namespace))
        session.stream.hold(namespace, "updates", {node: update})


def show_interrupt(session: Session, blueprint: Blueprint, namespace: str, task: TaskState) -> None:
    """Stream the questions that a task, or a graph inside it, waits for."""
    stream = session.stream
    if not (stream.wanted("updates", namespace) or stream.wanted("values", namespace)):
        return
    asked = as_interrupts(task_questions(session.state, namespace, task))
    if asked:
        stream.hold(namespace, "updates", {INTERRUPT: asked})
        if stream.wanted("values", namespace):
            values = state_values(session, blueprint, namespace)
            held = {**values, INTERRUPT: asked} if isinstance(values, dict) else {INTERRUPT: asked}
            stream.hold(namespace, "values", held)


def show_resumed(session: Session, blueprint: Blueprint, namespace: str) -> None:
    """Stream where a run goes on from: the state, and what was finished of the open step."""
    graph, stream = session.graph(namespace), session.stream
    if stream.wanted("values", namespace):
        stream.hold(namespace, "values", state_values(session, blueprint, namespace))
    if stream.wanted("updates", namespace):
        keys = output_keys(session, blueprint, namespace)
        for done in finished(graph):
            if done.node is not None and done.node != START:
                update = {done.node: _update(list(done.writes), keys), "__metadata__": {"cached": True}}
                stream.hold(namespace, "updates", update)
    started = {id(task) for task in runnable(session.state, namespace)}
    for task in graph.tasks.values():
        if task.writes is None and id(task) not in started:
            show_interrupt(session, blueprint, namespace, task)


def show_stop(session: Session, blueprint: Blueprint, namespace: str) -> None:
    """Stream where a run stops short of its end: at a breakpoint, and with what was finished of the open step."""
    if session.stopped_at:
        session.stream.hold(namespace, "updates", {INTERRUPT: ()})
    if session.stream.wanted("values", namespace) and any(one.writes for one in finished(session.graph(namespace))):
        session.stream.hold(namespace, "values", live_values(session, blueprint, namespace))


def state_values(session: Session, blueprint: Blueprint, namespace: str) -> Value:
    """Return the committed state as readers of this graph see it."""
    return shown(blueprint, session.graph(namespace), only_output=_only_output(session, namespace))


def live_values(session: Session, blueprint: Blueprint, namespace: str) -> Value:
    """Return the state with the finished tasks of the open step applied."""
    graph = session.graph(namespace)
    writes = [write for done in together(blueprint, graph) for write in done.writes]
    return shown(blueprint, preview(blueprint, graph, writes), only_output=_only_output(session, namespace))


def output_keys(session: Session, blueprint: Blueprint, namespace: str) -> Container[str]:
    """Return the keys of the state that readers of this graph see."""
    return blueprint.output.keys if _only_output(session, namespace) else blueprint.channels


def _only_output(session: Session, namespace: str) -> bool:
    return namespace == "" and session.terms.only_output


def as_interrupts(questions: Iterable[Question]) -> tuple[Interrupt, ...]:
    """Return questions in the shape that callers know."""
    return tuple(Interrupt(one.value, one.id, one.schema) for one in questions)


def _update(writes: Written, keys: Container[str]) -> Value:
    """Return a task's update: a dict; a list of them where a channel was written more than once; None for nothing."""
    seen = [(channel, own(value)) for channel, value in writes if channel in keys]
    if not seen:
        return None
    if seen[0][0] == ROOT:
        return seen[0][1] if len(seen) == 1 else [value for _, value in seen]
    if max(Counter(channel for channel, _ in seen).values()) > 1:
        return [{channel: value} for channel, value in seen]
    return dict(seen)
