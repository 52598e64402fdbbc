"""The programs of the crash matrix: graphs, and the operator who runs them.

An operator looks at a thread and says what to do next; he does not know whether anybody was killed before.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypedDict

from perdure import END, START, Command, CompiledGraph, Send, StateGraph, interrupt
from perdure.ports import Branch, Saver
from perdure.types import RunnableConfig, StateSnapshot
from tests.acceptance.crash_stage import Stage, Work

THREAD: Final = "thread"
ANSWERS: Final = {"name?": "Ada", "colour?": "green", "sure?": True}


class Logged(TypedDict):
    steps: Annotated[list[Any], operator.add]
    total: Annotated[int, operator.add]


class Plain(TypedDict):
    steps: list[str]


@dataclass(frozen=True)
class View:
    """What an operator sees."""

    now: StateSnapshot
    branches: Sequence[Branch]
    checkpoints: Sequence[StateSnapshot]


@dataclass(frozen=True)
class Invoke:
    """Run the thread."""

    input: Any
    config: RunnableConfig | None = None


@dataclass(frozen=True)
class Update:
    """Write to the state at an old checkpoint."""

    config: RunnableConfig
    values: Any


Move = Invoke | Update


@dataclass(frozen=True)
class Program:
    """A graph, and what its operator does next (None: it is done)."""

    build: Callable[[Stage, Saver], CompiledGraph]
    decide: Callable[[View], Move | None]


# --- operators ----------------------------------------------------------------------------------------------


def go_on(view: View) -> Move | None:
    """Begin what has not begun, answer what is asked, run on what is open."""
    if view.now.metadata is None:
        return Invoke({"steps": []})
    if view.now.interrupts:
        return Invoke(Command(resume={one.id: ANSWERS[one.value] for one in view.now.interrupts}))
    return Invoke(None) if view.now.next else None


def fork_twice(view: View) -> Move | None:
    """Finish; then go back to the checkpoint after `b` and run on from there; then the same with an edited state."""
    move = go_on(view)
    if move is not None:
        return move
    old = next(one for one in view.checkpoints if one.values["steps"] == ["a", "b"])
    if len(view.branches) == 1:
        return Invoke(None, old.config)
    if len(view.branches) == 2:
        return Update(old.config, {"steps": ["edited"], "total": 10})
    return None


# --- graphs -------------------------------------------------------------------------------------------------


def _counted(name: str) -> Work:
    return lambda _: {"steps": [name], "total": 1}


def _noted(name: str) -> Work:
    return lambda state: {"steps": [*state["steps"], name]}


def chain(stage: Stage, saver: Saver) -> CompiledGraph:
    builder = StateGraph(Logged)
    for before, name in (START, "a"), ("a", "b"), ("b", "c"), ("c", "d"):
        builder.add_node(name, stage.node(_counted(name)))
        builder.add_edge(before, name)
    builder.add_edge("d", END)
    return builder.compile(saver)


def fan_out(stage: Stage, saver: Saver) -> CompiledGraph:
    """Three sends and a node beside them; what gathers the sends, and that node, are joined."""
    builder = StateGraph(Logged)
    builder.add_node("split", stage.node(lambda _: {"steps": ["split"]}))
    builder.add_node("mapper", stage.node(lambda item: {"steps": [item], "total": item}, in_turn=True))
    builder.add_node("beside", stage.node(lambda _: {"steps": ["beside"]}, in_turn=True))
    builder.add_node("gather", stage.node(lambda state: {"steps": [f"gathered {state['total']}"]}))
    builder.add_node("join", stage.node(lambda state: {"steps": [f"joined {len(state['steps'])}"]}))
    builder.add_edge(START, "split")
    builder.add_conditional_edges("split", lambda _: [Send("mapper", item) for item in (1, 20, 300)], ["mapper"])
    builder.add_edge("split", "beside")
    builder.add_edge("mapper", "gather")
    builder.add_edge(["gather", "beside"], "join")
    builder.add_edge("join", END)
    return builder.compile(saver)


def subgraphs(stage: Stage, saver: Saver) -> CompiledGraph:
    """A graph as a node, and one that a node calls."""
    called = _line(stage, "called 1", "called 2").compile()
    builder = StateGraph(Plain)
    builder.add_node("first", stage.node(_noted("first")))
    builder.add_node("inside", _line(stage, "inner 1", "inner 2").compile())
    builder.add_node("calls", stage.node(lambda state: stage.call(called, {"steps": state["steps"]})))
    builder.add_edge(START, "first")
    builder.add_edge("first", "inside")
    builder.add_edge("inside", "calls")
    builder.add_edge("calls", END)
    return builder.compile(saver)


def _line(stage: Stage, *names: str) -> StateGraph:
    builder = StateGraph(Plain)
    for before, name in zip((START, *names), names, strict=False):
        builder.add_node(name, stage.node(_noted(name)))
        builder.add_edge(before, name)
    return builder


def questions(stage: Stage, saver: Saver) -> CompiledGraph:
    """A node that asks twice, one after the other, and one that asks inside a subgraph."""
    builder, inner = StateGraph(Plain), StateGraph(Plain)
    inner.add_node("confirm", stage.node(lambda state: {"steps": [*state["steps"], f"sure {interrupt('sure?')}"]}))
    inner.add_edge(START, "confirm")
    builder.add_node(
        "ask", stage.node(lambda state: {"steps": [*state["steps"], interrupt("name?"), interrupt("colour?")]})
    )
    builder.add_node("inside", inner.compile())
    builder.add_node("after", stage.node(_noted("after")))
    builder.add_edge(START, "ask")
    builder.add_edge("ask", "inside")
    builder.add_edge("inside", "after")
    return builder.compile(saver)


PROGRAMS: Final = {
    "chain": Program(chain, go_on),
    "fan_out": Program(fan_out, go_on),
    "subgraphs": Program(subgraphs, go_on),
    "questions": Program(questions, go_on),
    "fork": Program(chain, fork_twice),
}
