"""Graphs that remember from call to call (checkpointer=True), and graphs that keep nothing (checkpointer=False)."""

import operator
import threading
from typing import Annotated, Any, TypedDict

import pytest

from perdure import START, Command, CompiledGraph, Saver, Send, StateGraph, interrupt
from perdure.errors import UsageError
from tests.acceptance.both_worlds import World

pytestmark = pytest.mark.anyio

PLACE: Any = {"thread_id": "t"}


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


def single(node: Any, *, checkpointer: Any = True, name: str = "node") -> CompiledGraph:
    """Return a graph of one node."""
    return StateGraph(State).add_node(name, node).add_edge(START, name).compile(checkpointer)


async def test_the_second_of_two_in_one_node_asks(saver: Saver, world: World) -> None:
    """The question of the second graph is seen, and its answer gets there; the first one is not run again."""
    ran: list[str] = []

    def first(state: State) -> State:
        ran.append("first")
        return {"log": [1]}

    one, two = single(first), single(lambda state: {"log": [interrupt("question")]})

    def node(state: State) -> State:
        return {"log": one.invoke({"log": []})["log"] + two.invoke({"log": []})["log"]}

    graph = single(node, checkpointer=saver)
    asked = (await world(graph, "invoke", {"log": []}, PLACE))["__interrupt__"]
    assert [question.value for question in asked] == ["question"]
    found = await world(graph, "get_state", PLACE)
    assert (found.next, list(found.interrupts)) == (("node",), asked)
    assert await world(graph, "invoke", Command(resume={asked[0].id: "yes"}), PLACE) == {"log": [1, "yes"]}
    assert ran == ["first"]


async def test_a_new_input_while_it_asks(saver: Saver, world: World) -> None:
    """A new input to the root leaves the open call behind: the node's next call begins anew, on what it remembers."""
    inner = single(lambda state: {"log": [interrupt(list(state["log"]))]})
    given: list[Any] = []

    def node(state: State) -> State:
        given.append(state["log"][-1])
        return {"log": inner.invoke({"log": [state["log"][-1]]})["log"]}

    graph = single(node, checkpointer=saver)
    first = (await world(graph, "invoke", {"log": ["old"]}, PLACE))["__interrupt__"]
    second = (await world(graph, "invoke", {"log": ["new"]}, PLACE))["__interrupt__"]
    assert [one.value for one in first + second] == [["old"], ["old", "new"]]
    assert first[0].id != second[0].id
    assert given == ["old", "new"]
    done = await world(graph, "invoke", Command(resume="answer"), PLACE)
    assert done == {"log": ["old", "new", "old", "new", "answer"]}


async def test_a_call_that_left_for_its_parent(saver: Saver, world: World) -> None:
    """After `Command(graph=PARENT)` the call has ended: the next one takes its input and begins anew."""
    seen: list[Any] = []

    def leave(state: State) -> Any:
        seen.append(list(state["log"]))
        return Command(graph=Command.PARENT, update={"log": ["up"]})

    inner = single(leave)
    graph = single(lambda state: inner.invoke({"log": [f"call {len(seen)}"]}), checkpointer=saver)
    assert await world(graph, "invoke", {"log": []}, PLACE) == {"log": ["up"]}
    assert await world(graph, "invoke", {"log": []}, PLACE) == {"log": ["up", "up"]}
    assert seen == [["call 0"], ["call 0", "call 1"]]


class Items(TypedDict, total=False):
    items: list[Any]
    kept: list[Any]


class Kept(TypedDict, total=False):
    items: Annotated[list[Any], operator.add]


@pytest.mark.parametrize("options", [{}, {"warm": False}, {"strict_state": True}], ids=["warm", "cold", "strict"])
async def test_items_that_the_graph_around_it_changes(saver: Saver, world: World, options: Any) -> None:
    """A node changes what went in and what came back, in place, and returns it: what is remembered stays as it was."""
    inner = StateGraph(Kept).add_node("node", lambda state: {}).add_edge(START, "node").compile(True)

    def change(state: Items) -> Items:
        for item in [*state["items"], *state["kept"]]:
            item["n"] += 1
        return {"items": state["items"], "kept": state["kept"]}

    builder = StateGraph(Items).add_node("change", change)
    builder.add_node("call", lambda state: {"kept": inner.invoke({"items": state["items"]})["items"]})
    graph = builder.add_edge(START, "change").add_edge("change", "call").compile(saver, **options)
    assert await world(graph, "invoke", {"items": [{"n": 0}], "kept": []}, PLACE) == {
        "items": [{"n": 1}],
        "kept": [{"n": 1}],
    }
    assert await world(graph, "invoke", {}, PLACE) == {"items": [{"n": 2}], "kept": [{"n": 1}, {"n": 2}]}


async def test_two_parallel_tasks_call_one(saver: Saver, world: World) -> None:
    """It can serve one call at a time, so the second one is refused; never do two share one silently."""
    refused = threading.Event()
    served: list[Any] = []

    def wait(state: State) -> State:
        served.append(list(state["log"]))
        assert refused.wait(20)
        return {"log": ["inner"]}

    inner = single(wait)

    def call(sent: State) -> Any:
        try:
            return inner.invoke(sent)
        except UsageError:
            refused.set()
            raise

    builder = StateGraph(State).add_node("call", call)
    builder.add_conditional_edges(START, lambda state: [Send("call", {"log": [number]}) for number in range(2)])
    graph = builder.compile(saver)
    with pytest.raises(UsageError, match="remembers from call to call"):
        await world(graph, "invoke", {"log": []}, PLACE)
    assert len(served) <= 1


@pytest.mark.parametrize("called", ["node", "code"])
async def test_a_number_as_the_name_of_its_node(saver: Saver, world: World, called: str) -> None:
    """The namespace of a graph that remembers ends in the node's name: "1" would read as a call's number."""
    inner = single(lambda state: {"log": [interrupt("question")]})
    node: Any = inner if called == "node" else lambda state: inner.invoke({"log": []})
    graph = single(single(node, checkpointer=None, name="1"), checkpointer=saver)
    with pytest.raises(UsageError, match=r"'1'.*no number"):
        await world(graph, "invoke", {"log": []}, PLACE)
    accepted = single(single(node, checkpointer=None, name="one"), checkpointer=saver)
    asked: Any = {"thread_id": "accepted"}
    await world(accepted, "invoke", {"log": []}, asked)
    assert await world(accepted, "invoke", Command(resume="yes"), asked) == {"log": ["yes"]}


@pytest.mark.parametrize("order", ["as asked", "the other way round"])
async def test_parallel_questions_of_a_graph_that_keeps_nothing(saver: Saver, world: World, order: str) -> None:
    """Each answer reaches its question, whichever node comes to ask first when the graph runs again."""
    first_to_ask = ["one"]
    asked: dict[str, threading.Event] = {}

    def asking(name: str) -> Any:
        def node(state: State) -> State:
            assert name == first_to_ask[0] or asked[first_to_ask[0]].wait(20)
            try:
                return {"log": [f"{name}: {interrupt(name)}"]}
            finally:
                asked[name].set()

        return node

    builder = StateGraph(State).add_node("one", asking("one")).add_node("two", asking("two"))
    inner = builder.add_edge(START, "one").add_edge(START, "two").compile(False)

    def call(state: State) -> Any:
        asked.update({name: threading.Event() for name in ("one", "two")})
        return inner.invoke({"log": []})

    graph = single(call, checkpointer=saver)
    questions = (await world(graph, "invoke", {"log": []}, PLACE))["__interrupt__"]
    assert sorted(question.value for question in questions) == ["one", "two"]
    if order != "as asked":
        first_to_ask[0] = "two"
    answers = {question.id: f"answer to {question.value}" for question in questions}
    done = await world(graph, "invoke", Command(resume=answers), PLACE)
    assert done == {"log": ["one: answer to one", "two: answer to two"]}
