"""A step's end: finished tasks' writes become changes, their routes become the next tasks.

Pure: the outcome is a `StepCommitted` that the caller records. Reducers run here, once; whoever folds the log later
needs none.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, NamedTuple

from perdure.channels.base import MISSING, Staged
from perdure.definition.blueprint import Blueprint
from perdure.errors import InvalidUpdateError
from perdure.events import (
    Append,
    Change,
    Literally,
    PlannedTask,
    Ref,
    Remove,
    Route,
    Set,
    Source,
    StepCommitted,
    Value,
)
from perdure.rules.project import GraphState, TaskState
from perdure.types import END, START

DEFERRED: Final = "defer:"
"""The hidden channel that remembers deferred nodes whose turn has not come."""
HIDDEN: Final = ("join:", DEFERRED)
"""How the names of channels begin that no schema declares."""


class Done(NamedTuple):
    """What a finished task (or an update) contributes to a commit."""

    id: str
    node: str | None
    writes: Iterable[tuple[str, Value]]
    routes: tuple[Route, ...]


def finished(graph: GraphState) -> list[Done]:
    """Return the finished tasks of the open step in task-path order: pulled by node name, then pushed by number."""
    tasks = [task for task in graph.tasks.values() if task.writes is not None]
    if len(tasks) > 1:
        tasks.sort(key=_path)
    return [Done(task.plan.id, task.plan.node, task.writes or (), task.routes) for task in tasks]


def together(blueprint: Blueprint, graph: GraphState) -> list[Done]:
    """Return the finished tasks of the open step, or none when their writes do not go together.

    For whoever supersedes the step: writes that no commit can take stay in the log and reach no state.
    """
    done = finished(graph)
    try:
        _changes(blueprint, graph, done)
    except Exception:  # noqa: BLE001 - a channel's complaint, or whatever a reducer raises
        return []
    return done


def commit(
    blueprint: Blueprint,
    graph: GraphState,
    done: list[Done],
    mint: Callable[[], str],
    *,
    source: Source = "loop",
    keep: Collection[str] = (),
) -> StepCommitted:
    """Return the checkpoint that these outcomes lead to.

    Args:
        blueprint: The graph as compiled.
        graph: Where it stands.
        done: What is committed, in the order in which it applies.
        mint: Where the new tasks' ids come from.
        source: Why there is a new checkpoint.
        keep: Ids of open tasks that stay open beside the new ones (an update in the middle of a step).

    Raises InvalidUpdateError when the writes do not go together.
    """
    changes = _changes(blueprint, graph, done, steps=not keep)
    if not graph.checkpoint:
        changes = _initial(blueprint) | changes
    pulled, pushed = _targets(blueprint, graph, done, changes)
    pulled = _defer(blueprint, graph, pulled, bool(pushed) or bool(keep), changes)
    return StepCommitted(
        parent=graph.checkpoint or None,
        step=graph.step + 1 if graph.checkpoint else 0,
        source=source,
        changes=changes,
        next=(*_push_tasks(pushed, mint), *_pull_tasks(graph, pulled, mint)),
        ran=tuple(one.node for one in done if one.node is not None and source == "loop"),
        kept=tuple(keep),
    )


def begin(blueprint: Blueprint, graph: GraphState, mint: Callable[[], str]) -> StepCommitted:
    """Return the checkpoint at which a graph has accepted an input and will start.

    Finished tasks of a step that the input cuts short are committed, not lost.
    """
    changes = _changes(blueprint, graph, together(blueprint, graph))
    if not graph.checkpoint:
        changes = _initial(blueprint) | changes
    for name in graph.values:
        if name not in blueprint.channels and name.startswith(HIDDEN):
            changes[name] = Remove()  # half a join of the turn before must not complete one of this turn
    start = PlannedTask(mint(), START, triggers=(START,))
    return StepCommitted(graph.checkpoint or None, graph.step + 1, "input", changes, (start,))


def _initial(blueprint: Blueprint) -> dict[str, Change]:
    """Return what a new graph's channels start with, so that folding its log needs no graph."""
    initial = {name: channel.initial() for name, channel in blueprint.channels.items() if channel.persists}
    return {name: Set(Literally(value)) for name, value in initial.items() if value is not MISSING}


def _path(task: TaskState) -> tuple[bool, str, int]:
    pushed = task.plan.kind == "push"
    return pushed, "" if pushed else task.plan.node, task.plan.index


def _changes(blueprint: Blueprint, graph: GraphState, done: list[Done], *, steps: bool = True) -> dict[str, Change]:
    """Return what the writes change; a `step` also empties the channels that live for one."""
    staged: dict[str, list[Staged]] = {}
    for one in done:
        for index, (name, value) in enumerate(one.writes):
            staged.setdefault(name, []).append(Staged(Ref(one.id, index), value))
    changes: dict[str, Change] = {}
    for name, writes in staged.items():
        channel = blueprint.channels.get(name)
        if channel is None:
            raise InvalidUpdateError(f"The graph has no channel {name!r}; it has {sorted(blueprint.channels)}.")
        change = channel.change(graph.values.get(name, MISSING), writes)
        if change is not None:
            changes[name] = change
    for name in blueprint.clearing if steps else ():
        if name in graph.values and name not in staged:
            changes[name] = Remove()
    return changes


def _targets(
    blueprint: Blueprint, graph: GraphState, done: list[Done], changes: dict[str, Change]
) -> tuple[dict[str, list[str]], list[tuple[Ref, Route]]]:
    """Return the nodes to pull (with what triggers each) and the sends to push; joins move on in `changes`."""
    pulled: dict[str, list[str]] = {}
    pushed: list[tuple[Ref, Route]] = []
    for one in done:
        source = one.node
        if source is not None:
            for target in blueprint.edges.get(source, ()):
                pulled.setdefault(target, []).append(source)
        for index, route in enumerate(one.routes):
            if route.send:
                pushed.append((Ref(one.id, index), route))
            elif route.node != END:
                pulled.setdefault(route.node, []).append(source or "")
    _join(blueprint, graph, {one.node for one in done}, pulled, changes)
    pulled.pop(END, None)
    return pulled, pushed


def _join(
    blueprint: Blueprint,
    graph: GraphState,
    nodes: set[str | None],
    pulled: dict[str, list[str]],
    changes: dict[str, Change],
) -> None:
    for join in blueprint.joins:
        arrived = graph.values.get(join.key, ())
        new = [node for node in join.sources if node in nodes and node not in arrived]
        if not new:
            continue
        if len(arrived) + len(new) == len(join.sources):
            pulled.setdefault(join.target, []).append(join.key)
            if arrived:
                changes[join.key] = Remove()
        else:
            changes[join.key] = Append((Literally(new),))


def _defer(
    blueprint: Blueprint,
    graph: GraphState,
    pulled: dict[str, list[str]],
    busy: bool,
    changes: dict[str, Change],
) -> dict[str, list[str]]:
    """Hold deferred nodes back while anything else is to run; let them all go when nothing is."""
    waiting = graph.values.get(DEFERRED, ())
    if not waiting and not any(blueprint.nodes[node].defer for node in pulled if node in blueprint.nodes):
        return pulled
    now = {node: why for node, why in pulled.items() if not blueprint.nodes[node].defer}
    held = list(dict.fromkeys([*waiting, *(node for node in pulled if node not in now)]))
    if now or busy:
        if held != list(waiting):
            changes[DEFERRED] = Set(Literally(held))
        changes.update(_waiting_joins(blueprint, held, pulled))
        return now
    if waiting:
        changes[DEFERRED] = Remove()
        changes.update(_ended_joins(blueprint, graph, held))
    return {node: pulled.get(node, [DEFERRED]) for node in held}


def _waiting_joins(blueprint: Blueprint, held: list[str], pulled: Mapping[str, list[str]]) -> dict[str, Change]:
    """Keep joins complete whose targets are held back: who arrives once more meanwhile is no half of a next one."""
    return {
        join.key: Set(Literally(list(join.sources)))
        for join in blueprint.joins
        if join.target in held and join.key in pulled.get(join.target, ())
    }


def _ended_joins(blueprint: Blueprint, graph: GraphState, held: list[str]) -> dict[str, Change]:
    """Forget the complete joins of held targets that may go now."""
    return {
        join.key: Remove()
        for join in blueprint.joins
        if join.target in held and len(graph.values.get(join.key, ())) == len(join.sources)
    }


def _push_tasks(pushed: list[tuple[Ref, Route]], mint: Callable[[], str]) -> list[PlannedTask]:
    return [
        PlannedTask(mint(), route.node, "push", index, (ref.task_id,), ref) for index, (ref, route) in enumerate(pushed)
    ]


def _pull_tasks(graph: GraphState, pulled: Mapping[str, list[str]], mint: Callable[[], str]) -> list[PlannedTask]:
    """Plan a task a node, by name. A node whose task is open already keeps that task and its id."""
    still: dict[str, str] = {}
    if pulled:
        still = {
            task.plan.node: id for id, task in graph.tasks.items() if task.plan.kind == "pull" and task.writes is None
        }
    return [
        PlannedTask(still.get(node) or mint(), node, triggers=tuple(dict.fromkeys(pulled[node])))
        for node in sorted(pulled)
    ]
