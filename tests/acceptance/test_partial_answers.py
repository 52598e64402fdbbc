"""Several open questions, answered one at a time: what was not asked to go on does not run."""

import operator
from typing import Annotated, Any, TypedDict

import pytest

from perdure import START, Command, Saver, Send, StateGraph, interrupt
from perdure.app import CompiledGraph
from perdure.events import TaskInterrupted
from tests.acceptance.both_worlds import World

pytestmark = pytest.mark.anyio

PLACE: Any = {"thread_id": "t"}


class State(TypedDict, total=False):
    name: str
    log: Annotated[list[Any], operator.add]


class Log(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


class Asking:
    """Nodes that note when they run and ask once or more."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def node(self, name: str, times: int = 1) -> Any:
        def ask(state: State) -> State:
            self.ran.append(name)
            return {"log": [(name, *(interrupt(f"{name}{number}") for number in range(times)))]}

        return ask

    def sent(self, state: State) -> State:
        return self.node(state["name"])(state)  # type: ignore[no-any-return]


@pytest.fixture
def asking() -> Asking:
    return Asking()


def by_value(graph: CompiledGraph) -> dict[str, str]:
    """Return question → id of what is open."""
    return {question.value: question.id for question in graph.thread("t").pending()}


def side_by_side(asking: Asking, saver: Saver) -> CompiledGraph:
    builder = StateGraph(State).add_node("plain", lambda state: {"log": ["plain"]}).add_edge(START, "plain")
    builder.add_node("a", asking.node("a")).add_node("b", asking.node("b", 2)).add_edge(START, "a").add_edge(START, "b")
    return builder.compile(saver)


async def test_nodes_side_by_side(saver: Saver, world: World, asking: Asking) -> None:
    """Each answer runs its own node; the step ends with the last one, writes in order of the nodes' names."""
    graph = side_by_side(asking, saver)
    paused = await world(graph, "invoke", {"log": []}, PLACE)
    assert sorted(question.value for question in paused["__interrupt__"]) == ["a0", "b0"]
    asking.ran.clear()
    paused = await world(graph, "invoke", Command(resume={by_value(graph)["b0"]: 1}), PLACE)
    assert asking.ran == ["b"]
    assert sorted(question.value for question in paused["__interrupt__"]) == ["a0", "b1"]
    await world(graph, "invoke", Command(resume={by_value(graph)["a0"]: 2}), PLACE)
    assert asking.ran == ["b", "a"]
    assert graph.get_state(PLACE).next == ("b",)
    out = await world(graph, "invoke", Command(resume=3), PLACE)
    assert asking.ran == ["b", "a", "b"]
    assert out == {"log": [("a", 2), ("b", 1, 3), "plain"]}


async def test_tasks_of_one_node(saver: Saver, world: World, asking: Asking) -> None:
    """Sends to one node are tasks with questions of their own, answered in any order."""
    builder = StateGraph(State).add_node("ask", asking.sent)
    builder.add_conditional_edges(START, lambda state: [Send("ask", {"name": name}) for name in "xyz"], ["ask"])
    graph = builder.compile(saver)
    await world(graph, "invoke", {"log": []}, PLACE)
    asking.ran.clear()
    for name in "zxy":
        out = await world(graph, "invoke", Command(resume={by_value(graph)[f"{name}0"]: name.upper()}), PLACE)
    assert asking.ran == ["z", "x", "y"]
    assert out == {"log": [("x", "X"), ("y", "Y"), ("z", "Z")]}


async def test_graphs_inside(saver: Saver, world: World, asking: Asking) -> None:
    """Of two graphs that wait inside, only the answered one goes on."""

    def inner(name: str) -> CompiledGraph:
        builder = StateGraph(State, output_schema=Log).add_node("ask", asking.node(name)).add_edge(START, "ask")
        return builder.compile()

    builder = StateGraph(State).add_node("one", inner("one")).add_node("two", inner("two"))
    graph = builder.add_edge(START, "one").add_edge(START, "two").compile(saver)
    await world(graph, "invoke", {"log": []}, PLACE)
    asking.ran.clear()
    await world(graph, "invoke", Command(resume={by_value(graph)["two0"]: 2}), PLACE)
    assert asking.ran == ["two"]
    assert graph.get_state(PLACE).next == ("one",)
    assert await world(graph, "invoke", Command(resume=1), PLACE) == {"log": [("one", 1), ("two", 2)]}


async def test_questions_inside_one_graph(saver: Saver, world: World, asking: Asking) -> None:
    """Of two nodes that wait in one graph inside, the answered one goes on; the node around it is run for it."""
    builder = StateGraph(State, output_schema=Log).add_node("a", asking.node("a")).add_node("b", asking.node("b"))
    inner = builder.add_edge(START, "a").add_edge(START, "b").compile()
    graph = StateGraph(State).add_node("sub", inner).add_edge(START, "sub").compile(saver)
    await world(graph, "invoke", {"log": []}, PLACE)
    asking.ran.clear()
    paused = await world(graph, "invoke", Command(resume={by_value(graph)["a0"]: 1}), PLACE)
    assert asking.ran == ["a"]
    assert [question.value for question in paused["__interrupt__"]] == ["b0"]
    assert await world(graph, "invoke", Command(resume=2), PLACE) == {"log": [("a", 1), ("b", 2)]}


async def test_going_on_without_an_answer_runs_nobody(saver: Saver, world: World, asking: Asking) -> None:
    """None leaves every waiting task waiting: same questions, same ids, no node run."""
    graph = side_by_side(asking, saver)
    await world(graph, "invoke", {"log": []}, PLACE)
    before = by_value(graph)
    asking.ran.clear()
    paused = await world(graph, "invoke", None, PLACE)
    assert {question.value: question.id for question in paused["__interrupt__"]} == before
    assert asking.ran == []


async def test_each_question_is_asked_once_in_the_log(saver: Saver, world: World, asking: Asking) -> None:
    """However often a run goes on, a question is recorded when it is asked and never again."""
    graph = side_by_side(asking, saver)
    await world(graph, "invoke", {"log": []}, PLACE)
    await world(graph, "invoke", None, PLACE)
    for value in ("b0", "a0", "b1"):
        await world(graph, "invoke", Command(resume={by_value(graph)[value]: value}), PLACE)
    events = [logged.event for logged in graph.thread("t").events()]
    asked = [one.value for event in events if isinstance(event, TaskInterrupted) for one in event.questions]
    assert sorted(asked) == ["a0", "b0", "b1"]


@pytest.mark.parametrize("answer", [None, False, 0, "", {}, [], {"a": 1}])
async def test_any_value_is_an_answer(saver: Saver, world: World, answer: Any) -> None:
    """Also None, empty ones, and dicts that are no map of interrupt ids."""
    builder = StateGraph(State).add_node("ask", lambda state: {"log": [interrupt("?")]}).add_edge(START, "ask")
    graph = builder.compile(saver)
    await world(graph, "invoke", {"log": []}, PLACE)
    assert await world(graph, "invoke", Command(resume=answer), PLACE) == {"log": [answer]}


async def test_nobody_can_swallow_a_pause(saver: Saver, world: World) -> None:
    """`except Exception`, around the question or around a graph that asks, does not catch the signal."""

    def careful(state: State) -> Any:
        try:
            return {"log": [interrupt("?")]}
        except Exception:  # noqa: BLE001 - what careful users write
            return {"log": ["swallowed"]}

    inner = StateGraph(State).add_node("careful", careful).add_edge(START, "careful").compile()

    def around(state: State) -> Any:
        try:
            return {"log": inner.invoke({"log": []})["log"]}
        except Exception:  # noqa: BLE001 - what careful users write
            return {"log": ["swallowed"]}

    graph = StateGraph(State).add_node("around", around).add_edge(START, "around").compile(saver)
    assert [one.value for one in (await world(graph, "invoke", {"log": []}, PLACE))["__interrupt__"]] == ["?"]
    assert await world(graph, "invoke", Command(resume="yes"), PLACE) == {"log": ["yes"]}


async def test_failure_beside_a_question(saver: Saver, world: World, asking: Asking) -> None:
    """The failure reaches the caller; the question stays open and can be answered before the failed node is mended."""
    broken = [True]

    def flaky(state: State) -> State:
        if broken:
            raise ConnectionError("down")
        return {"log": ["flaky"]}

    builder = StateGraph(State).add_node("ask", asking.node("ask")).add_node("flaky", flaky)
    graph = builder.add_edge(START, "ask").add_edge(START, "flaky").compile(saver)
    with pytest.raises(ConnectionError):
        await world(graph, "invoke", {"log": []}, {**PLACE, "max_concurrency": 1})
    broken.clear()
    assert list(by_value(graph)) == ["ask0"]
    assert await world(graph, "invoke", Command(resume="x"), PLACE) == {"log": [("ask", "x"), "flaky"]}
