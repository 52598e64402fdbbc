"""From a projection to `StateSnapshot`, the shape in which callers see a checkpoint."""

from datetime import UTC, datetime
from typing import Any

from perdure.definition.blueprint import Blueprint
from perdure.engine.parts import as_interrupts
from perdure.events import Question, TaskFailed, Value
from perdure.fold import own
from perdure.rules.commit import together
from perdure.rules.plan import children, task_questions
from perdure.rules.project import GraphState, TaskState, ThreadState, Written
from perdure.rules.returns import preview, shown
from perdure.types import START, PregelTask, RunnableConfig, StateSnapshot

PULL, PUSH = "__pregel_pull", "__pregel_push"


def config_of(thread_id: str, namespace: str, checkpoint: str) -> RunnableConfig:
    """Return the config that addresses a checkpoint."""
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": namespace, "checkpoint_id": checkpoint}}


def nothing_yet(config: RunnableConfig) -> StateSnapshot:
    """Return the snapshot of a thread that has no checkpoint."""
    return StateSnapshot({}, (), config, None, None, None, (), ())


def snapshot_of(
    blueprint: Blueprint | None,
    thread_id: str,
    state: ThreadState,
    namespace: str = "",
    *,
    live: bool,
    subgraphs: bool = False,
) -> StateSnapshot:
    """Return a graph's checkpoint as callers see it.

    Args:
        blueprint: The graph, or None to show whatever the log holds.
        thread_id: The thread.
        state: The projection after the checkpoint, with what became of its tasks.
        namespace: Which graph.
        live: Show the open step: finished tasks' writes applied, only open tasks in `next`, only open questions.
        subgraphs: Put the state of the graphs that open tasks call into `tasks[i].state`.
    """
    graph = state.graph(namespace)
    ordered = _in_order(blueprint, graph)
    tasks = tuple(_task(thread_id, state, namespace, task, live=live, subgraphs=subgraphs) for task in ordered)
    open_tasks = [task for task in ordered if not live or task.writes is None]
    return StateSnapshot(
        values=_values(blueprint, graph, live),
        next=tuple(task.plan.node for task in open_tasks),
        config=config_of(thread_id, namespace, graph.checkpoint),
        metadata={"source": graph.source, "step": graph.step, "parents": _parents(state, namespace), **_said(state)},
        created_at=datetime.fromtimestamp(graph.at / 1e6, UTC).isoformat(),
        parent_config=None if graph.parent is None else config_of(thread_id, namespace, graph.parent),
        tasks=tasks,
        interrupts=tuple(one for task in tasks for one in task.interrupts),
    )


def _in_order(blueprint: Blueprint | None, graph: GraphState) -> list[TaskState]:
    """Return the open step's tasks: sends, then pulled nodes in the order in which the graph declares them."""
    place = {} if blueprint is None else {name: index for index, name in enumerate(blueprint.nodes)}
    return sorted(
        graph.tasks.values(), key=lambda task: -1 if task.plan.kind == "push" else place.get(task.plan.node, 0)
    )


def _said(state: ThreadState) -> dict[str, Any]:
    return {name: value for name, value in state.metadata.items() if name not in ("source", "step", "parents")}


def _parents(state: ThreadState, namespace: str) -> dict[str, str]:
    """Return the checkpoints of the graphs around this one, by namespace."""
    found: dict[str, str] = {}
    outer = namespace
    while outer:
        outer = outer.rpartition("|")[0]
        graph = state.graphs.get(outer)
        if graph is not None:
            found[outer] = graph.checkpoint
    return found


def _values(blueprint: Blueprint | None, graph: GraphState, live: bool) -> Value:
    if blueprint is None:
        return {name: value for name, value in graph.values.items() if ":" not in name}
    if live:
        writes = [write for done in together(blueprint, graph) for write in done.writes]
        graph = preview(blueprint, graph, writes)
    return shown(blueprint, graph, only_output=False)


def _task(
    thread_id: str, state: ThreadState, namespace: str, task: TaskState, *, live: bool, subgraphs: bool
) -> PregelTask:
    plan, graph = task.plan, state.graph(namespace)
    started = plan.node == START and not live  # the input's own step is recorded without its task
    questions = task_questions(state, namespace, task) if live else _asked(task)
    if live and task.writes is not None:
        questions = []
    path: tuple[str | int, ...] = (PULL, plan.node) if plan.kind == "pull" else (PUSH, plan.index)
    return PregelTask(
        id=plan.id,
        name=plan.node,
        path=path,
        error=None if task.writes is not None else _error(task.failure),
        interrupts=as_interrupts(questions),
        state=_inner(thread_id, state, namespace, task, live=live, subgraphs=subgraphs),
        result=None if task.writes is None and not started else _result(task, graph.accepted),
    )


def _asked(task: TaskState) -> list[Question]:
    """Return the newest questions of a task, or of the graphs it called, answered or not: the record of its step."""
    return task.questions[-1:] or list(task.inside.values())


def _result(task: TaskState, given: Written) -> Value:
    writes = given if task.writes is None else task.writes
    if writes and writes[0][0] == "__root__":
        return own(writes[0][1])
    return {channel: own(value) for channel, value in writes}


def _error(failure: TaskFailed | None) -> str | None:
    return None if failure is None else f"{failure.error.rpartition('.')[2]}({failure.message!r})"


def _inner(
    thread_id: str, state: ThreadState, namespace: str, task: TaskState, *, live: bool, subgraphs: bool
) -> RunnableConfig | StateSnapshot | None:
    inner = children(state, namespace, task)
    if not inner or not state.graphs[inner[-1]].checkpoint:
        return None
    if subgraphs:
        return snapshot_of(None, thread_id, state, inner[-1], live=live, subgraphs=True)
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": inner[-1]}}
