"""Graphs as small plain data, and the strategies that draw them.

A description holds no code, so a failing one shrinks well, prints as what it is, and can be built again in another
process. `graphs` builds them; nothing here runs.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from hypothesis import strategies as st

Plain: TypeAlias = Literal["no", "whole", "grown", "deep", "shorter"]
"""What a node does to the channels without a reducer: nothing · returns them whole, longer · grows them in place and
returns them · changes an item in place and returns the list · returns less than it saw."""
How: TypeAlias = Literal["node", "call", "twice"]
"""How a graph is inside: as a node of its own, called in a node's code, called there twice."""

REDUCED = ("trace", "count", "facts", "messages", "longest", "tags")
"""The channels with a reducer: any number of parallel tasks may write them."""


@dataclass(frozen=True)
class Node:
    """What a node does, in this order: asks, calls what is inside, fails, writes."""

    writes: tuple[str, ...] = ("trace",)
    plain: Plain = "no"
    command: bool = False
    asks: int = 0
    fails: int = 0
    """Its first so many executions that come so far raise."""
    retried: bool = False
    """It is tried again within the run."""
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


def nodes(
    *, inner: st.SearchStrategy[Graph] | None, parallel: bool, outermost: bool = False
) -> st.SearchStrategy[Node]:
    """Draw a node.

    A parallel one leaves alone the channels that only one task of a step may write. Only the outermost graph's nodes
    change items in place: a graph inside would change them for the graph around it, too, which never returns them.
    """
    kinds: list[Plain] = ["no", "whole", "grown", "shorter"]
    if outermost:
        kinds.append("deep")
    plain: st.SearchStrategy[Plain] = st.sampled_from(kinds)
    seldom = st.sampled_from([0, 0, 0, 1, 2])
    if parallel and orderly:
        inner = None
    return st.builds(
        Node,
        writes=st.lists(st.sampled_from(REDUCED), unique=True, max_size=3).map(tuple),
        plain=st.just("no") if parallel else plain,
        command=st.booleans(),
        asks=seldom,
        fails=st.just(0) if parallel and orderly else seldom,
        retried=st.booleans(),
        inner=st.none() if inner is None else st.none() | st.none() | inner,
        how=st.sampled_from(["node", "call", "twice"]),
    )


def stages(inner: st.SearchStrategy[Graph] | None, *, outermost: bool, orderly: bool) -> st.SearchStrategy[Stage]:
    """Draw a stage."""
    alone = nodes(inner=inner, parallel=False, outermost=outermost)
    beside = nodes(inner=inner, parallel=True, orderly=orderly)
    arm = st.lists(beside, min_size=1, max_size=2).map(tuple)
    return st.one_of(
        st.builds(Single, alone),
        st.builds(Jump, alone),
        st.builds(Loop, alone, st.integers(1, 3)),
        st.builds(Fan, st.lists(arm, min_size=2, max_size=3).map(tuple), st.booleans()),
        st.builds(Sends, beside, st.integers(0, 3), st.booleans()),
    )


def graphs(
    depth: int = 2, length: int = 3, *, outermost: bool = True, orderly: bool = False
) -> st.SearchStrategy[Graph]:
    """Draw a graph.

    Args:
        depth: How many graphs may be inside one another.
        length: How many stages it may have.
        outermost: It is inside no other.
        orderly: With one worker, its events come in the same order each time: parallel nodes neither fail (which
            races against the start of the others) nor call graphs (which record from threads of their own).
    """
    inner = graphs(depth - 1, 2, outermost=False, orderly=orderly) if depth else None
    return st.lists(stages(inner, outermost=outermost, orderly=orderly), min_size=1, max_size=length).map(lambda found: Graph(tuple(found)))
