"""What may run now: the open tasks of a graph that have not finished and wait for nobody."""

from collections.abc import Collection
from typing import Literal

from perdure.definition.blueprint import Blueprint
from perdure.events import Question
from perdure.rules.project import GraphState, TaskState, ThreadState, child_namespace
from perdure.types import START


def runnable(state: ThreadState, namespace: str) -> list[TaskState]:
    """Return the tasks of a graph that can be started, in their planned order."""
    tasks = state.graph(namespace).tasks.values()
    return [task for task in tasks if task.writes is None and not _waits(state, namespace, task)]


def pending_questions(state: ThreadState, namespace: str = "") -> list[Question]:
    """Return the open questions in a graph and in the graphs its open tasks call, in task order."""
    found: list[Question] = []
    for task in state.graph(namespace).tasks.values():
        if task.writes is None:
            found += task.open_questions
            for child in children(state, namespace, task):
                found += pending_questions(state, child)
    return found


def task_questions(state: ThreadState, namespace: str, task: TaskState) -> list[Question]:
    """Return the open questions of one task, its subgraphs' included."""
    found = list(task.open_questions)
    for child in children(state, namespace, task):
        found += pending_questions(state, child)
    return found


def breakpoint_at(
    blueprint: Blueprint,
    graph: GraphState,
    before: Collection[str] | Literal["*"],
    after: Collection[str] | Literal["*"],
) -> bool:
    """Tell whether a static breakpoint stands at the graph's checkpoint."""
    if before and any(_matches(task.plan.node, before) for task in graph.tasks.values() if task.writes is None):
        return True
    return bool(after) and bool(graph.tasks) and any(_matches(node, after) for node in graph.ran)


def _matches(node: str, names: Collection[str] | Literal["*"]) -> bool:
    return node != START and (names == "*" or node in names)


def _waits(state: ThreadState, namespace: str, task: TaskState) -> bool:
    """A task waits while a question of its own is open, or while all that is open in its subgraphs waits."""
    if task.open_questions:
        return True
    if len(state.graphs) == 1:
        return False
    waiting = False
    for child in children(state, namespace, task):
        if any(one.writes is None for one in state.graphs[child].tasks.values()):
            if runnable(state, child):
                return False
            waiting = True
    return waiting


def children(state: ThreadState, namespace: str, task: TaskState) -> list[str]:
    """Return the namespaces of the graphs that a task has called itself, in the order of the calls."""
    if len(state.graphs) == 1:
        return []
    called = child_namespace(namespace, task.plan.node, task.plan.id)
    remembering = called.removesuffix(f":{task.plan.id}")
    return [
        name
        for name in tuple(state.graphs)  # at once: other threads may be adding theirs
        if (name == called or _is_call_of(name, called))
        or ((name == remembering or _is_call_of(name, remembering)) and state.graphs[name].caller == task.plan.id)
    ]


def _is_call_of(namespace: str, first: str) -> bool:
    """Tell whether a namespace is that of a further call: the first one's and the call's number."""
    return namespace.startswith(first + "|") and namespace[len(first) + 1 :].isdigit()
