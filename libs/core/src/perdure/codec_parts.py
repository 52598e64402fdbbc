"""The parts that payloads are made of (writes, routes, changes, tasks) as JSON trees and back.

Each form has its dumper and its loader side by side; loaders raise ValueError, KeyError, TypeError or IndexError for
what is not such a part.
"""

from typing import Any, TypeAlias, assert_never, get_args

from perdure.codecs import from_tree, to_tree
from perdure.events import (
    Append,
    Change,
    How,
    Literally,
    Merge,
    Operand,
    Patch,
    PlannedTask,
    Ref,
    Remove,
    Route,
    Set,
    Write,
)

Tree: TypeAlias = dict[str, Any]


def path_of(channel: str) -> str:
    """Return where a channel stands, as errors show it."""
    return f"$.{channel}" if channel.isidentifier() else f'$["{channel}"]'


def dump_write(write: Write) -> list[Any]:
    """Return a write as [channel, operand] or [channel, operand, how]."""
    operand = to_tree(write.operand, path_of(write.channel))
    return [write.channel, operand] if write.how == "value" else [write.channel, operand, write.how]


def load_write(tree: list[Any]) -> Write:
    """Return the write that `dump_write` was given."""
    if len(tree) == 2:
        return Write(text(tree[0]), from_tree(tree[1]))
    how: How = tree[2]
    if how not in get_args(How):
        raise ValueError(f"a write is related as {how!r}")
    return Write(text(tree[0]), from_tree(tree[1]), how)


def dump_route(route: Route) -> Any:
    """Return a route as its node's name, or as an object with the input it sends."""
    if not route.send:
        return route.node
    tree = {"send": route.node, "arg": to_tree(route.arg, f"$<Send to {route.node}>")}
    return tree if route.timeout is None else {**tree, "timeout": route.timeout}


def load_route(tree: Any) -> Route:
    """Return the route that `dump_route` was given."""
    if isinstance(tree, str):
        return Route(tree)
    return Route(text(tree["send"]), send=True, arg=from_tree(tree["arg"]), timeout=tree.get("timeout"))


def text(tree: Any) -> str:
    """Return `tree` if it is text."""
    if not isinstance(tree, str):
        raise ValueError(f"text expected, found {type(tree).__name__}")
    return tree


def _dump_operand(operand: Operand, path: str) -> Tree:
    if isinstance(operand, Ref):
        return {"ref": [operand.task_id, operand.index]}
    return {"value": to_tree(operand.value, path)}


def _load_operand(tree: Tree) -> Operand:
    if "ref" in tree:
        return Ref(text(tree["ref"][0]), int(tree["ref"][1]))
    return Literally(from_tree(tree["value"]))


def dump_change(channel: str, change: Change) -> Tree:
    """Return a change as an object whose first key is its kind."""
    path = path_of(channel)
    match change:
        case Set(operand):
            return {"set": _dump_operand(operand, path)}
        case Append(operands):
            return {"append": [_dump_operand(operand, path) for operand in operands]}
        case Merge(operand, removed):
            tree = {"merge": _dump_operand(operand, path)}
            return {**tree, "removed": to_tree(list(removed), path)} if removed else tree
        case Patch(start, count, items):
            return {"patch": [start, count, to_tree(list(items), path)]}
        case Remove():
            return {"remove": True}
        case _:
            assert_never(change)


def load_change(tree: Tree) -> Change:
    """Return the change that `dump_change` was given."""
    match tree:
        case {"set": operand}:
            return Set(_load_operand(operand))
        case {"append": operands}:
            return Append(tuple(_load_operand(operand) for operand in operands))
        case {"merge": operand}:
            return Merge(_load_operand(operand), tuple(from_tree(tree.get("removed", []))))
        case {"patch": [int(start), int(count), items]}:
            return Patch(start, count, from_tree(items))
        case {"remove": True}:
            return Remove()
        case _:
            raise ValueError(f"no such change: {sorted(tree)}")


def dump_task(task: PlannedTask) -> Tree:
    """Return a planned task as an object; what is usual is left out."""
    tree: Tree = {"id": task.id, "node": task.node}
    if task.kind != "pull":
        tree |= {"kind": task.kind, "index": task.index}
    if task.triggers:
        tree["triggers"] = task.triggers
    if task.arg is not None:
        tree["arg"] = [task.arg.task_id, task.arg.index]
    return tree


def load_task(tree: Tree) -> PlannedTask:
    """Return the task that `dump_task` was given."""
    arg = tree.get("arg")
    return PlannedTask(
        text(tree["id"]),
        text(tree["node"]),
        kind=tree.get("kind", "pull"),
        index=tree.get("index", 0),
        triggers=tuple(tree.get("triggers", ())),
        arg=None if arg is None else Ref(arg[0], arg[1]),
    )


def some(**fields: Any) -> Tree:
    """Return the fields that say something."""
    return {name: value for name, value in fields.items() if value not in (None, (), {})}


def dump_writes(writes: tuple[Write, ...]) -> list[Any]:
    """Return writes in order."""
    return [dump_write(write) for write in writes]


def load_writes(tree: list[Any]) -> tuple[Write, ...]:
    """Return the writes that `dump_writes` was given."""
    return tuple([load_write(write) for write in tree])


def load_routes(tree: list[Any]) -> tuple[Route, ...]:
    """Return routes in order."""
    return tuple([load_route(route) for route in tree])


def dump_body(body: tuple[tuple[Write, ...], tuple[Route, ...]]) -> list[Any]:
    """Return what a node returned, as [writes, routes]."""
    return [dump_writes(body[0]), [dump_route(route) for route in body[1]]]


def load_body(tree: list[Any]) -> tuple[tuple[Write, ...], tuple[Route, ...]]:
    """Return the body that `dump_body` was given."""
    return load_writes(tree[0]), load_routes(tree[1])
