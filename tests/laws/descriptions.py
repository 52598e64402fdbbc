"""Graphs as small plain data, and the strategies that draw them.

A description holds no code, so a failing one shrinks well, prints as what it is, and can be built again in another
process. `graphs` builds them; nothing here runs.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, assert_never

from hypothesis import strategies as st

Plain: TypeAlias = Literal["no", "whole", "grown", "deep", "shorter", "reset"]
"""What a node does to the channels without a reducer: nothing · returns them whole, longer · grows them in place and
returns them · changes an item in place and returns the list · returns less than it saw · overwrites what reducers have
gathered."""
How: TypeAlias = Literal["node", "call", "twice", "remembers"]
"""How a graph is inside: as a node of its own · called in a node's code · called there twice · as a node that remembers
from call to call."""

REDUCED = ("trace", "count", "facts", "messages", "longest", "tags")
"""The channels with a reducer: any number of parallel tasks may write them."""


@dataclass(frozen=True)
class Node:
    """What a node does, in this order: asks, calls what is inside, pauses, fails, writes."""

    writes: tuple[str, ...] = ("trace",)
    plain: Plain = "no"
    command: bool = False
    asks: int = 0
    pauses: int = 0
    """Its first so many executions that come so far raise InterruptedError."""
    fails: int = 0
    """Its first so many executions that come so far raise."""
    retried: bool = False
    """It is tried again within the run."""
    defer: bool = False
    """It waits until nothing else is to run."""
    inner: "Graph | None" = None
    how: How = "node"


@dataclass(frozen=True)
class Single:
    """One node."""

    node: Node


@dataclass(frozen=True)
class Jump:
    """One node that names the next ones itself, in a Command."""

    node: Node


@dataclass(frozen=True)
class Loop:
    """One node that a conditional edge sends back to itself until it has run `times` times."""

    node: Node
    times: int = 2


@dataclass(frozen=True)
class Fan:
    """Chains side by side; `joined`: what follows waits for all of them."""

    arms: tuple[tuple[Node, ...], ...]
    joined: bool = True


@dataclass(frozen=True)
class Sends:
    """A node that sends `count` inputs to a worker, by a conditional edge or (`command`) by itself."""

    worker: Node
    count: int = 2
    command: bool = False


Stage: TypeAlias = Single | Jump | Loop | Fan | Sends


@dataclass(frozen=True)
class Graph:
    """Stages one after the other."""

    stages: tuple[Stage, ...]


Order: TypeAlias = Literal["free", "steady", "strict"]
"""Which events come, and in which order: whatever the threads make of it · always the same ones, because nothing fails
beside others (which races against their starts) · with one worker, in the same order, because nothing beside others
calls a graph either (which records from threads of its own)."""


@dataclass(frozen=True)
class Place:
    """Where a node stands, as far as it matters for what it may do."""

    beside: bool = False
    """Others run in the same step, so it leaves alone the channels that only one task of a step may write."""
    flaky: bool = True
    """It may fail."""
    defers: bool = True
    """It may be deferred: an update on an old checkpoint may then let it go beside others that were held back there."""


def nodes(place: Place, inner: st.SearchStrategy[Graph] | None) -> st.SearchStrategy[Node]:
    """Draw a node; `inner` draws the graphs inside of it."""
    kinds: list[Plain] = ["no", "whole", "grown", "deep", "shorter", "reset"]
    hows: list[How] = ["node", "call", "twice"] if place.beside else ["node", "call", "twice", "remembers"]
    seldom = st.sampled_from([0, 0, 0, 1, 2])
    return st.builds(
        Node,
        writes=st.lists(st.sampled_from(REDUCED), unique=True, max_size=3).map(tuple),
        plain=st.just("no") if place.beside else st.sampled_from(kinds),
        command=st.booleans(),
        asks=seldom,
        pauses=st.sampled_from([0, 0, 0, 0, 0, 1]) if place.flaky else st.just(0),
        fails=seldom if place.flaky else st.just(0),
        retried=st.booleans(),
        inner=st.none() if inner is None else st.none() | st.none() | inner,
        defer=st.sampled_from([False, False, False, True]) if place.defers else st.just(False),
        how=st.sampled_from(hows),
    )


def graphs(
    depth: int = 2, length: int = 3, *, order: Order = "free", place: Place | None = None, largest: int = 40
) -> st.SearchStrategy[Graph]:
    """Draw a graph of up to `length` stages, with graphs inside down to `depth`, of weight `largest` at most."""
    place = place or Place()
    aside = replace(place, beside=True, flaky=place.flaky and order == "free")
    alone = nodes(replace(place, defers=order == "free"), _inner(depth, order, place))
    beside = nodes(aside, None if order == "strict" else _inner(depth, order, aside))
    arm = st.lists(beside, min_size=1, max_size=2).map(tuple)
    stage: st.SearchStrategy[Stage] = st.one_of(
        st.builds(Single, alone),
        st.builds(Jump, alone),
        st.builds(Loop, alone, st.integers(1, 3)),
        st.builds(Fan, st.lists(arm, min_size=2, max_size=3).map(tuple), st.booleans()),
        st.builds(Sends, beside, st.integers(0, 3), st.booleans()),
    )
    drawn = st.lists(stage, min_size=1, max_size=length).map(lambda found: Graph(tuple(found)))
    return drawn.filter(lambda graph: weight(graph) <= largest)


def weight(graph: Graph) -> int:
    """Return about how many executions a turn of the graph takes."""
    return sum(_stage_weight(stage) for stage in graph.stages)


def _stage_weight(stage: Stage) -> int:
    match stage:
        case Single(node) | Jump(node):
            return _node_weight(node)
        case Loop(node, times):
            return _node_weight(node) * times
        case Fan(arms):
            return sum(_node_weight(node) for arm in arms for node in arm)
        case Sends(worker, count):
            return 1 + _node_weight(worker) * count
        case _:
            assert_never(stage)


def _node_weight(node: Node) -> int:
    inner = 0 if node.inner is None else weight(node.inner) * (2 if node.how == "twice" else 1)
    return 1 + node.asks + node.pauses + node.fails + inner


def _inner(depth: int, order: Order, place: Place) -> st.SearchStrategy[Graph] | None:
    if not depth:
        return None
    return graphs(depth - 1, 2, order=order, place=Place(flaky=place.flaky))
