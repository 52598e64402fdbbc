"""From a description to a compiled graph.

What a node writes follows from what it sees, so that whoever runs it again gets the same. Its code is written once, as
a generator that yields the calls of graphs inside; `flavour` says whether it becomes a sync or an async function.
"""

from collections.abc import Callable, Generator
from itertools import pairwise
from typing import Any, Literal, TypeAlias, assert_never

from perdure import END, START, Command, CompiledGraph, Overwrite, RetryPolicy, Send, StateGraph, interrupt
from perdure.call import Settings
from tests.laws.descriptions import Fan, Graph, Jump, Loop, Node, Sends, Single, Stage
from tests.laws.world import Handed, Seen, Shared, State, World

Flavour: TypeAlias = Literal["sync", "async"]
Code: TypeAlias = Generator[tuple[CompiledGraph, Seen, Any], Any, Any]

ONCE_MORE = RetryPolicy(initial_interval=0.0, max_attempts=3, jitter=False)


def build(
    graph: Graph, world: World, settings: Settings, *, flavour: Flavour = "sync", workers: int | None = None
) -> CompiledGraph:
    """Return the described graph, compiled with these settings.

    Args:
        graph: What to build.
        world: Where its nodes leave their traces.
        settings: The root graph's.
        flavour: Whether its nodes are sync or async.
        workers: How many tasks run at once in the graphs that nodes call.
    """
    builder = _Assembly(world, flavour, workers).assemble(graph, "", StateGraph(State))
    return CompiledGraph(builder.blueprint(name="drawn"), settings, builder)


def names_of(stage: Stage, at: int) -> list[list[str]]:
    """Return the names of a stage's nodes, chain by chain."""
    match stage:
        case Single() | Jump() | Loop():
            return [[f"s{at}"]]
        case Fan(arms):
            return [[f"s{at}_{number}_{step}" for step in range(len(arm))] for number, arm in enumerate(arms)]
        case Sends():
            return [[f"s{at}", f"s{at}w"]]
        case _:
            assert_never(stage)


def node_names(graph: Graph) -> list[str]:
    """Return the names of a graph's own nodes."""
    return [name for at, stage in enumerate(graph.stages) for chain in names_of(stage, at) for name in chain]


class _Assembly:
    """Builds one description, graphs inside included."""

    def __init__(self, world: World, flavour: Flavour, workers: int | None) -> None:
        self.world = world
        self.flavour = flavour
        self.config: Any = {"max_concurrency": workers} if workers else None

    def assemble(self, graph: Graph, path: str, builder: StateGraph) -> StateGraph:
        ends: list[str] = [START]
        joined = False
        for at, stage in enumerate(graph.stages):
            follows = (
                [chain[0] for chain in names_of(graph.stages[at + 1], at + 1)] if graph.stages[at + 1 :] else [END]
            )
            self._add(builder, stage, at, path, follows)
            for chain in names_of(stage, at):
                if joined:
                    builder.add_edge(ends, chain[0])
                for end in () if joined else ends:
                    builder.add_edge(end, chain[0])
            ends = [] if isinstance(stage, Jump | Loop) else [chain[-1] for chain in names_of(stage, at)]
            joined = isinstance(stage, Fan) and (stage.joined or not _ends_at_once(stage))
        return builder

    def _add(self, builder: StateGraph, stage: Stage, at: int, path: str, follows: list[str]) -> None:
        name = f"s{at}"
        match stage:
            case Single(node):
                self._node(builder, name, node, path)
            case Jump(node):
                self._node(builder, name, node, path, goto=follows)
            case Loop(node, times):
                self._node(builder, name, node, path, counts=True)
                builder.add_conditional_edges(name, _again(name, times, follows))
            case Fan(arms):
                for chain, arm in zip(names_of(stage, at), arms, strict=True):
                    self._arm(builder, chain, arm, path)
            case Sends(worker, count, command):
                self._sends(builder, name, count, command)
                self._node(builder, f"{name}w", worker, path, parallel=True)
            case _:
                assert_never(stage)

    def _arm(self, builder: StateGraph, chain: list[str], arm: tuple[Node, ...], path: str) -> None:
        for name, node in zip(chain, arm, strict=True):
            self._node(builder, name, node, path, parallel=True)
        for before, after in pairwise(chain):
            builder.add_edge(before, after)

    def _sends(self, builder: StateGraph, name: str, count: int, command: bool) -> None:
        def sends(state: Seen) -> list[Send]:
            length = len(state.get("letters", ()))
            return [Send(f"{name}w", {"text": f"{name}/{one}", "letters": [{"n": length}]}) for one in range(count)]

        if command:
            builder.add_node(name, lambda state: Command(update={"trace": [name]}, goto=sends(state)))
        else:
            builder.add_node(name, lambda state: {"trace": [name]})
            builder.add_conditional_edges(name, sends)

    def _node(
        self,
        builder: StateGraph,
        name: str,
        node: Node,
        path: str,
        *,
        goto: list[str] | None = None,
        counts: bool = False,
        parallel: bool = False,
    ) -> None:
        path = f"{path}/{name}"
        inner = None
        if node.inner is not None:
            handed = Shared if parallel else Handed
            remembers = True if node.how == "remembers" else None
            builder_inside = self.assemble(node.inner, path, StateGraph(State, output_schema=handed))
            inner = builder_inside.compile(remembers, name=f"in_{name}")
        if inner is not None and node.how in ("node", "remembers") and goto is None and not counts:
            builder.add_node(name, inner, defer=node.defer)
            return
        code = _code(self.world, node, path, inner, self.config)
        finish = _finish(name, node, goto, counts)
        action = _sync(code, finish) if self.flavour == "sync" else _async(code, finish)
        builder.add_node(name, action, retry_policy=ONCE_MORE if node.retried else None, defer=node.defer)


def _ends_at_once(fan: Fan) -> bool:
    """Tell whether all arms come to their ends in the same step: else what follows would run beside what is left."""
    return len({len(arm) for arm in fan.arms}) == 1 and not any(node.defer for arm in fan.arms for node in arm)


def _again(name: str, times: int, follows: list[str]) -> Callable[[Seen], list[str]]:
    def again(state: Seen) -> list[str]:
        return [name] if state.get("rounds", {}).get(name, 0) < times else follows

    return again


def _finish(name: str, node: Node, goto: list[str] | None, counts: bool) -> Callable[[Seen, Seen], Any]:
    """Return what makes a node's return value of its update."""

    def finish(state: Seen, update: Seen) -> Any:
        if counts:
            update["rounds"] = {name: state.get("rounds", {}).get(name, 0) + 1}
        if goto is not None:
            return Command(update=update, goto=goto)
        return Command(update=update) if node.command else update

    return finish


def _sync(code: Callable[[Seen], Code], finish: Callable[[Seen, Seen], Any]) -> Callable[[Seen], Any]:
    def run(state: Seen) -> Any:
        flow = code(state)
        try:
            call = next(flow)
            while True:
                graph, given, config = call
                call = flow.send(graph.invoke(given, config))
        except StopIteration as stop:
            return finish(state, stop.value)

    return run


def _async(code: Callable[[Seen], Code], finish: Callable[[Seen, Seen], Any]) -> Callable[[Seen], Any]:
    async def run(state: Seen) -> Any:
        flow = code(state)
        try:
            call = next(flow)
            while True:
                graph, given, config = call
                call = flow.send(await graph.ainvoke(given, config))
        except StopIteration as stop:
            return finish(state, stop.value)

    return run


def _code(world: World, node: Node, path: str, inner: CompiledGraph | None, config: Any) -> Callable[[Seen], Code]:
    def code(state: Seen) -> Code:
        world.note(path, ended=False)
        said: list[Any] = [interrupt(f"{path}?{number}") for number in range(node.asks)]
        if inner is not None:
            for number in range(2 if node.how == "twice" else 1):
                given = {"letters": state.get("letters", []), "text": f"{path}#{number}", "messages": []}
                result = yield inner, given, config
                said.append(sorted(one["id"] for one in result.get("messages", ())))
        world.pause(path, node.pauses)
        world.fail(path, node.fails)
        update = _update(path, node, state, said)
        world.note(path, ended=True)
        return update

    return code


def _update(path: str, node: Node, state: Seen, said: list[Any]) -> Seen:
    size = len(state.get("trace", ())) + len(state.get("letters", ()))
    new: Seen = {
        "trace": [{"by": path, "size": size, "said": said}],
        "count": 1,
        "facts": {path: size, "last": path},
        "messages": [{"id": path, "text": f"{size}"}, {"id": "all", "text": path}],
        "longest": path * (1 + size % 3),
        "tags": {path, f"{size % 2}"},
    }
    update = {channel: new[channel] for channel in node.writes}
    letters, card, text = state.get("letters", []), state.get("card", {}), state.get("text", "")
    match node.plain:
        case "no":
            return update
        case "whole":
            letters, card, text = [*letters, {"n": size}], {**card, path: size}, f"{text}{path * 8}"
        case "grown":
            letters.append({"n": size})
            card[path] = [size]
        case "deep":
            if not letters:
                letters.append({"n": 0})
            letters[0]["n"] += 1
            card.setdefault("deep", []).append(path)
        case "shorter":
            letters, card, text = letters[1:], {path: size}, text[:5]
        case "reset":
            return {**update, "trace": Overwrite([f"{path} forgets"]), "facts": Overwrite({path: size})}
        case _:
            assert_never(node.plain)
    return {**update, "letters": letters, "card": card, "text": text}
