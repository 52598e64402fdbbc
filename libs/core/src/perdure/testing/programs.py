"""A small graph for clauses that look at a saver as a program does: through states, forks and snapshots."""

import operator
from typing import Annotated, Any, TypedDict

from perdure.graph import CompiledGraph, StateGraph
from perdure.ports import Saver
from perdure.types import START

BALLAST = 20_000
"""Characters that every turn adds to the state, so that a few turns are worth a snapshot."""


class State(TypedDict, total=False):
    """What the graph keeps."""

    words: Annotated[list[str], operator.add]
    ballast: Annotated[list[str], operator.add]
    turn: int


def _listen(state: State) -> State:
    return {"turn": state.get("turn", 0) + 1, "ballast": [f"{state.get('turn', 0)}" * BALLAST]}


def _answer(state: State) -> State:
    return {"words": [f"answer {state['turn']} to {state['words'][-1]}"]}


def talking_graph(saver: Saver) -> CompiledGraph:
    """Return a graph that answers a word in two steps, and remembers nothing outside the log."""
    builder = StateGraph(State).add_sequence([("listen", _listen), ("answer", _answer)])
    return builder.add_edge(START, "listen").compile(saver, warm=False)


def said(word: str) -> State:
    """Return an input."""
    return {"words": [word]}


def states(graph: CompiledGraph, thread_id: str, branch: str) -> list[tuple[str, Any, tuple[str, ...]]]:
    """Return each checkpoint of a branch's line of history: its id, values and next nodes, oldest first."""
    history = graph.thread(thread_id).history(branch=branch)
    return [(one.config["configurable"]["checkpoint_id"], one.values, one.next) for one in history][::-1]
