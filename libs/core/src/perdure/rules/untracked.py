"""Values that no log holds: written to channels that live in memory, for one run."""

from perdure.channels.base import MISSING, Staged
from perdure.definition.blueprint import Blueprint
from perdure.events import Ref
from perdure.fold import apply
from perdure.rules.project import GraphState, ThreadState, Written


def split(blueprint: Blueprint, writes: Written) -> tuple[Written, Written]:
    """Return the writes that are recorded, and those that are not."""
    if not blueprint.untracked:
        return writes, []
    loose = [one for one in writes if one[0] in blueprint.untracked]
    return [one for one in writes if one[0] not in blueprint.untracked], loose


def take_loose(graph: GraphState) -> Written:
    """Return the unrecorded writes of the open step's tasks, in their order."""
    return [one for task in graph.tasks.values() for one in task.loose]


def apply_loose(blueprint: Blueprint, graph: GraphState, writes: Written) -> None:
    """Bring a graph's unrecorded values up to date. Raises InvalidUpdateError when the writes do not go together."""
    staged: dict[str, list[Staged]] = {}
    for index, (name, value) in enumerate(writes):
        staged.setdefault(name, []).append(Staged(Ref("", index), value))
    for name, group in staged.items():
        change = blueprint.channels[name].change(graph.untracked.get(name, MISSING), group)
        if change is not None:
            apply(graph.untracked, {name: change}, lambda ref: writes[ref.index][1])


def forget_untracked(state: ThreadState) -> None:
    """Drop what a run before left in memory: it does not outlive its run."""
    for graph in state.graphs.values():
        graph.untracked.clear()
