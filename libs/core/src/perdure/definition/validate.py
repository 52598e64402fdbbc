"""What is wrong with a graph, all of it at once, each complaint with its mend."""

from collections.abc import Iterator

from perdure.definition.blueprint import Blueprint, Names
from perdure.definition.updates import hint
from perdure.errors import GraphDefinitionError
from perdure.types import END, START

RESERVED_KEYS = frozenset({START, END, "__interrupt__", "__metadata__"})
"""State keys that would collide with what results carry."""


def check(blueprint: Blueprint) -> None:
    """Raise GraphDefinitionError with every complaint about the graph, one a line."""
    complaints = list(dict.fromkeys(_complaints(blueprint)))
    if complaints:
        many = f"The graph has {len(complaints)} mistakes:\n- " if len(complaints) > 1 else ""
        raise GraphDefinitionError(many + "\n- ".join(complaints))


def _complaints(blueprint: Blueprint) -> Iterator[str]:
    yield from _entry(blueprint)
    yield from _edges(blueprint)
    yield from _branches(blueprint)
    yield from _destinations(blueprint)
    yield from _joins(blueprint)
    yield from _interrupts(blueprint, "interrupt_before", blueprint.interrupt_before)
    yield from _interrupts(blueprint, "interrupt_after", blueprint.interrupt_after)
    for key in sorted(RESERVED_KEYS & (blueprint.channels.keys() | blueprint.managed.keys())):
        yield f"The state key {key!r} is reserved; rename it."


def _entry(blueprint: Blueprint) -> Iterator[str]:
    if START not in blueprint.edges and START not in blueprint.branches:
        first = next(iter(blueprint.nodes), "node")
        yield f"Nothing leads from START into the graph. Add an entry: add_edge(START, {first!r})."


def _edges(blueprint: Blueprint) -> Iterator[str]:
    for source, targets in blueprint.edges.items():
        for target in targets:
            edge = f"The edge {source!r} -> {target!r}"
            if source != START and source not in blueprint.nodes:
                yield f"{edge} starts at an unknown node. {_mend(blueprint, source)}"
            if target != END and target not in blueprint.nodes:
                yield f"{edge} ends at an unknown node. {_mend(blueprint, target)}"


def _branches(blueprint: Blueprint) -> Iterator[str]:
    for source, branches in blueprint.branches.items():
        if source != START and source not in blueprint.nodes:
            yield f"Conditional edges start at the unknown node {source!r}. {_mend(blueprint, source)}"
        for branch in branches:
            for target in (branch.ends or {}).values():
                if target != END and target not in blueprint.nodes:
                    yield (
                        f"The branch {branch.name!r} after {source!r} ends at the unknown node {target!r}."
                        f" {_mend(blueprint, target)}"
                    )


def _destinations(blueprint: Blueprint) -> Iterator[str]:
    for name, node in blueprint.nodes.items():
        for target in node.destinations:
            if target != END and target not in blueprint.nodes:
                yield f"The node {name!r} declares the unknown destination {target!r}. {_mend(blueprint, target)}"


def _joins(blueprint: Blueprint) -> Iterator[str]:
    keys: dict[str, tuple[str, ...]] = {}
    for join in blueprint.joins:
        if keys.setdefault(join.key, join.sources) != join.sources:
            yield (
                f"Two joins into {join.target!r} cannot be told apart: {keys[join.key]} and {join.sources}."
                " Rename a node so that none of the names contains '+'."
            )


def _interrupts(blueprint: Blueprint, argument: str, names: Names) -> Iterator[str]:
    if names == "*":
        return
    for name in sorted(names):
        if name not in blueprint.nodes:
            yield f"{argument} names the unknown node {name!r}. {_mend(blueprint, name)}"


def _mend(blueprint: Blueprint, name: str) -> str:
    close = hint(name, blueprint.nodes.keys())
    if close:
        return f"Mend its name{close}."
    known = ", ".join(map(repr, blueprint.nodes)) or "no nodes"
    return f"Add it: add_node({name!r}, ...). The graph has {known}."
