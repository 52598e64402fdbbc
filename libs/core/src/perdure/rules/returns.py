"""What a node's or a router's return value means: writes and routes."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from perdure.channels.base import MISSING, Staged
from perdure.definition.blueprint import Blueprint, BranchSpec
from perdure.definition.callables import is_runnable
from perdure.definition.updates import ROOT
from perdure.errors import InvalidUpdateError, UnknownNodeError
from perdure.events import Ref, Route, Value
from perdure.fold import apply, own
from perdure.rules.project import GraphState, Written
from perdure.types import END, START, Command, Send

Result = tuple[Written, tuple[Route, ...]]


def interpret(blueprint: Blueprint, node: str, result: Value) -> Result:
    """Return the writes and routes that a node's return value stands for.

    Raises InvalidUpdateError when it is none of: None, an update, a Command, or a list of updates and Commands.
    """
    if result is None:
        return [], ()
    if isinstance(result, Command):
        if result.graph is not None:
            raise InvalidUpdateError(
                f"Node {node!r} returned Command(graph={result.graph!r}): use Command.PARENT for the graph around this"
                " one, or leave it out. There is no parent graph of that name."
            )
        return _command(blueprint, result)
    if isinstance(result, list | tuple) and any(isinstance(one, Command) for one in result):
        parts = [interpret(blueprint, node, one) for one in result]
        return [write for writes, _ in parts for write in writes], tuple(r for _, routes in parts for r in routes)
    return update_writes(blueprint, node, result), ()


def update_writes(blueprint: Blueprint, node: str, update: Value) -> Written:
    """Return the channel writes of an update in any form that a node may return."""
    spec = blueprint.nodes.get(node)
    drop = spec is not None and is_runnable(spec.call.target)
    try:
        return blueprint.node_writes.pairs(update, drop=drop)
    except InvalidUpdateError as exc:
        raise InvalidUpdateError(f"Node {node!r}: {exc}") from None


def routes_to(blueprint: Blueprint, goto: Any) -> tuple[Route, ...]:
    """Return the routes of a `goto`: a node, a Send, or a sequence of both. Raises UnknownNodeError."""
    if goto == () or goto is None:
        return ()
    targets = goto if isinstance(goto, list | tuple) and not hasattr(goto, "node") else (goto,)
    return tuple(_route(blueprint, target) for target in targets)


def branch_routes(blueprint: Blueprint, branch: BranchSpec, result: Any) -> tuple[Route, ...]:
    """Return the routes that a conditional edge's answer stands for."""
    answers = result if isinstance(result, list | tuple) else [result]
    targets = [_end(branch.ends, answer) for answer in answers]
    if any(target is None or target == START for target in targets):
        raise InvalidUpdateError(
            f"Conditional edge {branch.name!r} returned {result!r}: it must name a node, END or Send."
        )
    return tuple(_route(blueprint, target) for target in targets)


def read(blueprint: Blueprint, graph: GraphState, keys: Iterable[str]) -> dict[str, Value]:
    """Return a graph's values of some channels, containers copied; channels without a value are left out."""
    values, found = graph.values, {}
    for key in keys:
        value = values.get(key, MISSING)
        if value is MISSING:
            value = graph.untracked.get(key, MISSING)
        if value is MISSING:
            channel = blueprint.channels.get(key)
            value = MISSING if channel is None else channel.initial()
            if value is MISSING:
                continue
        found[key] = own(value)
    return found


def shown(blueprint: Blueprint, graph: GraphState, *, only_output: bool) -> Value:
    """Return a graph's values as its readers see them: the output schema's keys, or all."""
    keys = blueprint.output.keys if only_output else blueprint.channels
    values = read(blueprint, graph, keys)
    return values.get(ROOT) if ROOT in keys else values


def preview(blueprint: Blueprint, graph: GraphState, writes: Written) -> GraphState:
    """Return the graph's values as they will be with these writes applied; `graph` stays as it is."""
    writes = [one for one in writes if one[0] not in blueprint.untracked]
    if not writes:
        return graph
    staged: dict[str, list[Staged]] = {}
    for index, (key, value) in enumerate(writes):
        staged.setdefault(key, []).append(Staged(Ref("", index), value))
    values = dict(graph.values)
    resolve: Callable[[Ref], Value] = lambda ref: writes[ref.index][1]  # noqa: E731 - a closure, used once
    for name, group in staged.items():
        channel = blueprint.channels.get(name)
        if channel is None:
            raise InvalidUpdateError(f"The graph has no channel {name!r}; it has {sorted(blueprint.channels)}.")
        change = channel.change(values.get(name, MISSING), group)
        if change is not None:
            if name in values:
                values[name] = own(values[name])
            apply(values, {name: change}, resolve)
    return GraphState(values=values, untracked=graph.untracked)


def _command(blueprint: Blueprint, command: Command[Any]) -> Result:
    return blueprint.node_writes.command_pairs(command.update), routes_to(blueprint, command.goto)


def _end(ends: Mapping[Hashable, str] | None, answer: Any) -> Any:
    if ends is None or isinstance(answer, Send):
        return answer
    try:
        return ends[answer]
    except (KeyError, TypeError):
        raise UnknownNodeError(f"A conditional edge returned {answer!r}; its path map has {list(ends)}.") from None


def _route(blueprint: Blueprint, target: Any) -> Route:
    send = isinstance(target, Send)
    node = target.node if send else target
    if node == END and not send:
        return Route(END)
    if not isinstance(node, str) or node not in blueprint.nodes:
        raise UnknownNodeError(unknown_node(blueprint, node))
    if send and target.timeout is not None:
        raise InvalidUpdateError(f"Send({node!r}, timeout=…): a task's time cannot be limited yet; leave timeout out.")
    node = str.__str__(node)  # an enum member that is its name
    return Route(node, send=True, arg=target.arg, timeout=target.timeout) if send else Route(node)


def unknown_node(blueprint: Blueprint, node: Any) -> str:
    """Return the sentence for a name that is no node: what was found, what there is, and a close match."""
    close = get_close_matches(str(node), blueprint.nodes, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"The graph {blueprint.name!r} has no node {node!r}; it has {sorted(blueprint.nodes)}.{hint}"
