"""What comes too late or gets lost: threads that outlive their run, snapshots that cannot be stored."""

import asyncio
import operator
import sys
import threading
from collections.abc import Iterator
from typing import Annotated, Any, TypedDict

import pytest

from perdure import START, CompiledGraph, Send, StateGraph
from perdure.events import RunFinished
from perdure.ports import Snapshot
from perdure_memory import InMemorySaver
from tests.acceptance.both_worlds import World

pytestmark = pytest.mark.anyio

PLACE: Any = {"thread_id": "t"}
LARGE = "x" * 100_000
"""Enough for a snapshot."""


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


def single(node: Any, name: str = "node") -> StateGraph:
    return StateGraph(State).add_node(name, node).add_edge(START, name)


def kinds(graph: CompiledGraph) -> list[str]:
    return [logged.kind for logged in graph.thread("t").events()]


@pytest.fixture
def hasty_switches() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_switches")
def test_two_hundred_subgraphs_side_by_side() -> None:
    """Calls that begin at the same time in many threads do not disturb each other."""
    inner = single(lambda state: {"log": [state["log"][0] + 1]}, "first").add_node("second", lambda state: {})
    builder = StateGraph(State).add_node("inner", inner.add_edge("first", "second").compile())
    builder.add_conditional_edges(START, lambda state: [Send("inner", {"log": [number]}) for number in range(200)])
    graph = builder.compile(InMemorySaver())
    expected = [item for number in range(200) for item in (number, number + 1)]
    for number in range(5):
        place: Any = {"thread_id": str(number)}
        assert graph.invoke({"log": []}, place) == {"log": expected}
        assert [one.seq for one in graph.thread(str(number)).events()] == list(range(1, 1 + seqs(graph, str(number))))


def seqs(graph: CompiledGraph, thread_id: str) -> int:
    """Return how many events a thread has, its chain being whole."""
    found = graph.thread(thread_id).verify()
    assert found.ok
    return found.events


class WithoutRoom(InMemorySaver):
    """A saver that takes no snapshots."""

    refused = 0

    def put_snapshot(self, thread_id: str, snapshot: Snapshot) -> None:
        self.refused += 1
        raise OSError("No space left on device")


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_a_snapshot_that_cannot_be_stored(world: World, durability: Any) -> None:
    """A snapshot is a cache: a run does without it, and so does the next."""
    saver = WithoutRoom()
    graph = single(lambda state: {"log": [LARGE]}).compile(saver)
    for number in (1, 2):
        done = await world(graph, "invoke", {"log": []}, PLACE, durability=durability)
        assert done == {"log": [LARGE] * number}
    assert saver.refused
    assert kinds(graph).count("RunFinished") == 2
    assert graph.thread("t").verify().ok


def nested(ended: list[str]) -> CompiledGraph:
    """Return a graph whose inner graph has two nodes that do not end."""

    async def endless(state: State) -> State:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")
        return {}

    inner = single(endless, "one").add_node("two", endless).add_edge(START, "two").compile()
    builder = single(lambda state: {"log": ["beside"]}, "beside").add_node("inner", inner).add_edge(START, "inner")
    return builder.compile(InMemorySaver())


@pytest.mark.parametrize("way", ["cancelled", "timed out", "closed"])
async def test_no_task_of_a_nested_graph_is_left(way: str) -> None:
    """When a run is left, the tasks of the graphs inside it have ended before the caller goes on."""
    ended: list[str] = []
    graph = nested(ended)
    before = asyncio.all_tasks()
    parts: Any = graph.astream({"log": []}, PLACE, subgraphs=True)
    if way == "closed":
        assert (await anext(parts))[1] == {"beside": {"log": ["beside"]}}
        await asyncio.sleep(0.05)
        await parts.aclose()
    else:
        running = asyncio.create_task(graph.ainvoke({"log": []}, PLACE))
        with pytest.raises(asyncio.CancelledError if way == "cancelled" else TimeoutError):
            await left(running, way)
    assert asyncio.all_tasks() == before
    assert ended == ["ended"] * 2
    assert kinds(graph).count("RunFinished") == 1
    assert kinds(graph)[-1] == "RunFinished"


async def left(running: "asyncio.Task[Any]", way: str) -> None:
    if way == "timed out":
        await asyncio.wait_for(running, 0.05)
    await asyncio.sleep(0.05)
    running.cancel()
    await running


async def test_a_thread_that_outlives_its_failed_run() -> None:
    """A sync node calls a graph when its run has failed: that writes nothing, and does not harm the next run."""
    inside, late, called = threading.Event(), threading.Event(), threading.Event()
    runs: list[int] = []
    inner = single(lambda state: {"log": ["inner"]}).compile()

    def slow(state: State) -> Any:
        if len(runs) > 1:
            return {"log": ["slow"]}
        inside.set()
        assert late.wait(20)
        try:
            return inner.invoke({"log": []})
        finally:
            called.set()

    async def fail(state: State) -> State:
        runs.append(1)
        if len(runs) > 1:
            late.set()
            assert await asyncio.to_thread(called.wait, 20)
            return {"log": ["mended"]}
        assert await asyncio.to_thread(inside.wait, 20)
        raise KeyError("down")

    graph = single(slow, "slow").add_node("fail", fail).add_edge(START, "fail").compile(InMemorySaver())
    with pytest.raises(KeyError):
        await graph.ainvoke({"log": []}, PLACE)
    before = kinds(graph)
    assert before[-1] == "RunFinished"
    assert await graph.ainvoke({"log": ["again"]}, PLACE) == {"log": ["again", "mended", "slow"]}
    events = graph.thread("t").events()
    assert [event.record.namespace for event in events] == [""] * len(events)
    assert [e.event.status for e in events if isinstance(e.event, RunFinished)] == ["failed", "success"]
    assert kinds(graph)[: len(before)] == before
    assert graph.thread("t").verify().ok
