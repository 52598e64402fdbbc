"""Small laws: what an open step keeps, what failures leave in the log."""

import asyncio
import operator
import threading
import time
from typing import Annotated, Any, TypedDict

import pytest

from perdure import END, START, Command, CompiledGraph, RetryPolicy, Saver, StateGraph, interrupt
from perdure.channels import EphemeralValue
from tests.acceptance.both_worlds import World

pytestmark = pytest.mark.anyio

PLACE: Any = {"thread_id": "t"}
SECRET = "sk-SECRET"


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


class Passing(State, total=False):
    passing: Annotated[str, EphemeralValue(str)]


def single(node: Any, name: str = "node") -> StateGraph:
    return StateGraph(State).add_node(name, node).add_edge(START, name)


def kinds(graph: CompiledGraph) -> list[str]:
    return [logged.kind for logged in graph.thread("t").events()]


async def test_stop_iteration_is_the_nodes_error(saver: Saver) -> None:
    """A sync node with an async router raises StopIteration, which no future can hold: it fails, it does not hang."""

    async def route(state: State) -> str:
        return END

    graph = single(lambda state: {"log": [next(iter([]))]}).add_conditional_edges("node", route).compile(saver)
    with pytest.raises((StopIteration, RuntimeError)):
        await asyncio.wait_for(graph.ainvoke({"log": []}, PLACE), 20)
    assert kinds(graph)[-2:] == ["TaskFailed", "RunFinished"]


@pytest.mark.parametrize("update", [None, {"log": ["update"]}])
async def test_an_update_with_an_answer_keeps_ephemeral_channels(saver: Saver, world: World, update: Any) -> None:
    """The asking node, run again, sees what the step before passed to it."""
    seen: list[Any] = []

    def ask(state: Passing) -> Passing:
        seen.append(state.get("passing"))
        return {"log": [interrupt("?")]}

    builder = StateGraph(Passing).add_node("first", lambda state: {"passing": "kept"}).add_node("ask", ask)
    graph = builder.add_edge(START, "first").add_edge("first", "ask").compile(saver)
    await world(graph, "invoke", {"log": []}, PLACE)
    done = await world(graph, "invoke", Command(resume=1, update=update), PLACE)
    assert done["log"] == ([1] if update is None else ["update", 1])
    assert seen == ["kept", "kept"]


@pytest.mark.parametrize("update", [None, {"log": ["update"]}])
async def test_an_update_with_an_answer_releases_no_deferred_node(saver: Saver, world: World, update: Any) -> None:
    """A deferred node waits until nothing else is open, the asking task and what follows it included."""
    ran: list[str] = []

    def noting(name: str, question: bool = False) -> Any:
        def node(state: State) -> State:
            answer = interrupt("?") if question else name
            ran.append(name)
            return {"log": [answer]}

        return node

    builder = StateGraph(State).add_node("short", noting("short")).add_node("long", noting("long"))
    builder.add_node("ask", noting("ask", question=True)).add_node("after", noting("after"))
    builder.add_node("last", noting("last"), defer=True).add_edge(START, "short").add_edge(START, "long")
    builder.add_edge("short", "last").add_edge("long", "ask").add_edge("ask", "after").add_edge("after", "last")
    graph = builder.compile(saver)
    await world(graph, "invoke", {"log": []}, PLACE)
    await world(graph, "invoke", Command(resume="answer", update=update), PLACE)
    assert sorted(ran[:2]) == ["long", "short"]
    assert ran[2:] == ["ask", "after", "last"]


async def test_history_of_a_subgraph_that_has_ended(saver: Saver, world: World) -> None:
    """Its checkpoints stay readable under its namespace, newest first, the newest being its state."""
    inner = single(lambda state: {"log": ["inner"]}).compile()
    graph = single(inner, "inner").add_node("after", lambda state: {"log": ["after"]}).add_edge("inner", "after")
    compiled = graph.compile(saver)
    await world(compiled, "invoke", {"log": ["in"]}, PLACE)
    namespace = next(e.record.namespace for e in compiled.thread("t").events() if e.record.namespace)
    place = {"thread_id": "t", "checkpoint_ns": namespace}
    history = await world(compiled, "get_state_history", place)
    assert [one.values for one in history] == [{"log": ["in", "inner"]}, {"log": ["in"]}, {"log": []}]
    assert [one.next for one in history] == [(), ("node",), (START,)]
    assert (await world(compiled, "get_state", place)).values == history[0].values


async def test_a_reduced_channel_of_a_later_release(saver: Saver, world: World) -> None:
    """On an old thread it starts from its initial value, as on a new one, and goes on from there."""

    def joined(left: list[Any], right: Any) -> list[Any]:
        return [*left, right]

    class Later(State, total=False):
        more: Annotated[list[Any], joined]

    await world(single(lambda state: {"log": [1]}).compile(saver), "invoke", {"log": []}, PLACE)
    later = StateGraph(Later).add_node("node", lambda state: {"more": "word"}).add_edge(START, "node").compile(saver)
    assert await world(later, "invoke", {"log": []}, PLACE) == {"log": [1], "more": ["word"]}
    assert await world(later, "invoke", {"log": []}, PLACE) == {"log": [1], "more": ["word", "word"]}


def test_a_finished_sibling_beside_a_system_exit(saver: Saver) -> None:
    """What has run is recorded, whatever another task raises; the run ends once."""
    ran: list[str] = []

    def noting(name: str) -> Any:
        def node(state: State) -> State:
            ran.append(name)
            return {"log": [name]}

        return node

    def leave(state: State) -> State:
        raise SystemExit(3)

    builder = single(leave, "leave")
    for name in ("a", "b", "c", "d"):
        builder.add_node(name, noting(name)).add_edge(START, name)
    graph = builder.compile(saver)
    with pytest.raises(SystemExit):
        graph.invoke({"log": []}, PLACE)
    found = kinds(graph)
    assert (found.count("TaskSucceeded"), found.count("RunFinished"), found[-1]) == (len(ran), 1, "RunFinished")


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


async def test_an_error_that_cannot_be_shown(saver: Saver, world: World) -> None:
    """An exception whose `__str__` raises is recorded and raised like any other."""

    def fail(state: State) -> State:
        raise Unspeakable

    graph = single(fail).compile(saver)
    with pytest.raises(Unspeakable):
        await world(graph, "invoke", {"log": []}, PLACE)
    assert kinds(graph)[-2:] == ["TaskFailed", "RunFinished"]


def test_a_failure_does_not_wait_for_anothers_pause(saver: Saver) -> None:
    """When a node fails for good, the pause before another one's next attempt is cut short."""
    failing = threading.Event()

    def flaky(state: State) -> State:
        failing.set()
        raise ConnectionError("down")

    def fail(state: State) -> State:
        assert failing.wait(20)
        time.sleep(0.2)  # so that the other one's pause has begun
        raise KeyError("down")

    policy = RetryPolicy(initial_interval=60, max_interval=60, jitter=False)
    builder = StateGraph(State).add_node("flaky", flaky, retry_policy=policy).add_node("fail", fail)
    graph = builder.add_edge(START, "flaky").add_edge(START, "fail").compile(saver)
    began = time.monotonic()
    with pytest.raises(KeyError):
        graph.invoke({"log": []}, PLACE)
    assert time.monotonic() - began < 20
