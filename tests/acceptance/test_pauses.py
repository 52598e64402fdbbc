"""Nodes that pause with the built-in `InterruptedError`: alone, side by side, beside questions, inside graphs."""

import operator
from typing import Annotated, Any, TypedDict

import pytest

from perdure import END, START, Command, RetryPolicy, Saver, StateGraph, interrupt
from perdure.app import CompiledGraph
from perdure.events import TaskFailed
from tests.acceptance.both_worlds import World

pytestmark = pytest.mark.anyio

PLACE: Any = {"thread_id": "t"}


class State(TypedDict, total=False):
    approved: bool
    log: Annotated[list[Any], operator.add]


class Desk:
    """Nodes that note that they run; `review` pauses until the state is approved."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def note(self, name: str) -> Any:
        def node(state: State) -> State:
            self.ran.append(name)
            return {"log": [name]}

        return node

    def review(self, state: State) -> State:
        self.ran.append("review")
        if not state.get("approved"):
            raise InterruptedError("wait")
        return {"log": ["reviewed"]}

    def asking(self, state: State) -> State:
        self.ran.append("ask")
        return {"log": [interrupt("?")]}


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def paused(world: World, graph: CompiledGraph, given: Any) -> None:
    with pytest.raises(InterruptedError, match="wait"):
        await world(graph, "invoke", given, PLACE)


def side_by_side(saver: Saver, **nodes: Any) -> CompiledGraph:
    builder = StateGraph(State).add_node("end", lambda state: {"log": ["end"]})
    for name, node in nodes.items():
        builder.add_node(name, node).add_edge(START, name)
    return builder.add_edge(list(nodes), "end").compile(saver)


async def test_sisters_do_not_run_again(saver: Saver, world: World, desk: Desk) -> None:
    """What finished beside the pause is kept."""
    graph = side_by_side(saver, other=desk.note("other"), review=desk.review)
    await paused(world, graph, {"log": []})
    out = await world(graph, "invoke", {"approved": True}, PLACE)
    assert out == {"approved": True, "log": ["other", "reviewed", "end"]}
    assert sorted(desk.ran) == ["other", "review", "review"]


async def test_each_invoke_is_an_update(saver: Saver, world: World, desk: Desk) -> None:
    """Dicts that do not let the node go on are kept, too."""
    graph = side_by_side(saver, review=desk.review)
    await paused(world, graph, {"log": ["one"]})
    await paused(world, graph, {"log": ["two"]})
    await paused(world, graph, None)
    out = await world(graph, "invoke", {"approved": True, "log": ["three"]}, PLACE)
    assert out == {"approved": True, "log": ["one", "two", "three", "reviewed", "end"]}


async def test_two_that_pause(saver: Saver, world: World, desk: Desk) -> None:
    """Both go on with the same update."""
    graph = side_by_side(saver, one=desk.review, two=desk.review)
    await paused(world, graph, {"log": []})
    out = await world(graph, "invoke", {"approved": True}, PLACE)
    assert out == {"approved": True, "log": ["reviewed", "reviewed", "end"]}


async def test_beside_a_question(saver: Saver, world: World, desk: Desk) -> None:
    """A dict goes on with the pause, an answer with the question; neither disturbs the other."""
    graph = side_by_side(saver, ask=desk.asking, review=desk.review)
    await paused(world, graph, {"log": []})
    asked = await world(graph, "invoke", {"approved": True}, PLACE)
    assert [question.value for question in asked["__interrupt__"]] == ["?"]
    out = await world(graph, "invoke", Command(resume="yes"), PLACE)
    assert out == {"approved": True, "log": ["yes", "reviewed", "end"]}


async def test_pause_is_not_retried(saver: Saver, world: World, desk: Desk) -> None:
    """A policy that retries everything does not retry a pause, and no failure is recorded."""
    always = RetryPolicy(retry_on=Exception, initial_interval=0.001, jitter=False)
    builder = StateGraph(State).add_node("review", desk.review, retry_policy=always).add_edge(START, "review")
    graph = builder.compile(saver)
    await paused(world, graph, {"log": []})
    assert desk.ran == ["review"]
    assert not any(isinstance(one.event, TaskFailed) for one in graph.thread("t").events())


async def test_pause_after_an_answer(saver: Saver, world: World, desk: Desk) -> None:
    """A node that was answered and then pauses keeps its answer."""

    def node(state: State) -> State:
        answer = interrupt("?")
        return {"log": [answer, *desk.review(state)["log"]]}

    graph = side_by_side(saver, node=node)
    await world(graph, "invoke", {"log": []}, PLACE)
    await paused(world, graph, Command(resume="yes"))
    assert (await world(graph, "invoke", {"approved": True}, PLACE))["log"] == ["yes", "reviewed", "end"]


async def test_async_node_pauses(saver: Saver, desk: Desk) -> None:
    """Async nodes pause in the same way."""

    async def review(state: State) -> State:
        return desk.review(state)

    graph = side_by_side(saver, review=review)
    with pytest.raises(InterruptedError):
        await graph.ainvoke({"log": []}, PLACE)
    assert (await graph.ainvoke({"approved": True}, PLACE))["log"] == ["reviewed", "end"]


async def test_pause_inside_a_graph(saver: Saver, world: World, desk: Desk) -> None:
    """The node that paused sees the update, however deep it stands; what had finished around it is kept."""
    builder = StateGraph(State).add_node("draft", desk.note("draft")).add_node("review", desk.review)
    inner = builder.add_edge(START, "draft").add_edge("draft", "review").compile()
    middle = StateGraph(State).add_node("inner", inner).add_edge(START, "inner").compile()
    graph = side_by_side(saver, sub=middle)
    await paused(world, graph, {"approved": False, "log": []})
    await world(graph, "invoke", {"approved": True}, PLACE)
    assert desk.ran == ["draft", "review", "review"]
    assert graph.get_state(PLACE).next == ()
    assert graph.get_state(PLACE).values["log"][-2:] == ["reviewed", "end"]


async def test_router_that_pauses(saver: Saver, world: World, desk: Desk) -> None:
    """The node before it has finished, and is not run again."""

    def route(state: State) -> str:
        if not state.get("approved"):
            raise InterruptedError("wait")
        return END

    builder = StateGraph(State).add_node("draft", desk.note("draft")).add_edge(START, "draft")
    graph = builder.add_conditional_edges("draft", route).compile(saver)
    await paused(world, graph, {"log": []})
    assert await world(graph, "invoke", {"approved": True}, PLACE) == {"approved": True, "log": ["draft"]}
    assert desk.ran == ["draft"]


async def test_router_that_asks(saver: Saver, world: World, desk: Desk) -> None:
    """A router may ask a question; its node is not run again for the answer."""
    builder = StateGraph(State).add_node("draft", desk.note("draft")).add_edge(START, "draft")
    builder.add_node("end", lambda state: {"log": ["end"]}).add_conditional_edges("draft", lambda state: interrupt("?"))
    graph = builder.compile(saver)
    await world(graph, "invoke", {"log": []}, PLACE)
    assert await world(graph, "invoke", Command(resume="end"), PLACE) == {"log": ["draft", "end"]}
    assert desk.ran == ["draft"]


async def test_without_a_saver_it_is_an_error(world: World, desk: Desk) -> None:
    """Where nothing is kept there is nothing to go on from: the error reaches the caller, no more."""
    graph = StateGraph(State).add_node("review", desk.review).add_edge(START, "review").compile()
    with pytest.raises(InterruptedError, match="wait"):
        await world(graph, "invoke", {"log": []})
