"""A channel that is never persisted is nowhere in the log, and ends with its run."""

from typing import Annotated, Any, TypedDict

import pytest

from perdure import START, StateGraph, open_saver
from perdure.channels import UntrackedValue
from perdure.errors import InvalidUpdateError


class State(TypedDict, total=False):
    handle: Annotated[object, UntrackedValue]
    n: int


class Handle:
    """Something that no codec can hold."""


def test_untracked_value_reaches_later_nodes_and_no_log() -> None:
    """Nodes of the run see it; no event holds it, and the next run starts without it."""
    seen: list[Any] = []

    def opens(state: State) -> dict[str, Any]:
        seen.append(state.get("handle"))
        return {"handle": Handle(), "n": 1}

    def uses(state: State) -> dict[str, Any]:
        seen.append(type(state.get("handle")))
        return {"n": 2}

    graph = StateGraph(State).add_sequence([opens, uses]).add_edge(START, "opens").compile(open_saver("memory:"))
    thread = graph.thread("t")
    thread.invoke({"n": 0})
    thread.invoke({"n": 0})
    assert seen == [None, Handle, None, Handle]
    assert not any(b"handle" in event.record.payload for event in thread.events())


def test_untracked_input_is_not_recorded() -> None:
    """What a caller hands over for the run alone is not part of its accepted input."""
    seen: list[Any] = []

    def node(state: State) -> dict[str, Any]:
        seen.append(state.get("handle"))
        return {"n": 1}

    graph = StateGraph(State).add_node("node", node).add_edge(START, "node").compile(open_saver("memory:"))
    graph.invoke({"handle": "for you", "n": 0}, {"thread_id": "t"})
    assert seen == ["for you"]
    assert not any(b"for you" in event.record.payload for event in graph.thread("t").events())


def test_two_writers_of_an_untracked_value_are_refused() -> None:
    """A guarded channel takes one write a step, recorded or not."""
    graph = (
        StateGraph(State)
        .add_node("a", lambda _: {"handle": 1})
        .add_node("b", lambda _: {"handle": 2})
        .add_edge(START, "a")
        .add_edge(START, "b")
        .compile(open_saver("memory:"))
    )
    with pytest.raises(InvalidUpdateError, match="handle"):
        graph.invoke({"n": 0}, {"thread_id": "t"})
