"""A run that is cancelled ends once, in the log too; what had finished stays, and the thread goes on from there."""

import asyncio
import operator
import threading
from typing import Annotated, Any, TypedDict

import pytest

from perdure import START, Saver, StateGraph
from perdure.app import CompiledGraph
from perdure.events import Record, RunFinished, RunStarted
from tests.acceptance.both_worlds import World

pytestmark = pytest.mark.anyio

PLACE: Any = {"thread_id": "t"}


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


class Gate:
    """Nodes that wait at a gate, which `open` opens."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = False
        self.released = threading.Event()

    async def awaiting(self, state: State) -> State:
        self.reached.set()
        while not self.open:  # noqa: ASYNC110 - opened by threads, too
            await asyncio.sleep(0.002)
        return {"log": ["gate"]}

    def blocking(self, state: State) -> State:
        self.reached.set()
        assert self.open or self.released.wait(20)
        return {"log": ["gate"]}


@pytest.fixture
def gate() -> Gate:
    return Gate()


def built(saver: Saver, node: Any) -> CompiledGraph:
    """Return a graph: first, then beside and the gate side by side, then last."""
    builder = StateGraph(State).add_node("first", lambda state: {"log": ["first"]}).add_node("gate", node)
    builder.add_node("beside", lambda state: {"log": ["beside"]}).add_node("last", lambda state: {"log": ["last"]})
    builder.add_edge(START, "first").add_edge("first", "gate").add_edge("first", "beside")
    return builder.add_edge(["gate", "beside"], "last").compile(saver)


def ends(graph: CompiledGraph) -> list[str]:
    """Return how each run ended; each has exactly one end."""
    events = [logged.event for logged in graph.thread("t").events()]
    found = [event.status for event in events if isinstance(event, RunFinished)]
    assert len(found) == sum(isinstance(event, RunStarted) for event in events)
    return list(found)


def results(saver: Saver) -> list[Record]:
    return saver.read("t", "main", kinds=["TaskSucceeded"])


async def reached(gate: Gate, saver: Saver) -> None:
    """Wait until the gate's node runs and its neighbour's result is in the log."""

    def there() -> bool:
        return gate.reached.is_set() and any(b"beside" in one.payload for one in results(saver))

    while not there():  # noqa: ASYNC110 - the log tells nobody
        await asyncio.sleep(0.002)


async def goes_on(graph: CompiledGraph, gate: Gate) -> None:
    """Assert that the thread is whole and runs only what had not finished."""
    assert graph.thread("t").verify().ok
    assert graph.get_state(PLACE).next == ("gate",)
    gate.open = True
    assert await graph.ainvoke(None, PLACE) == {"log": ["first", "beside", "gate", "last"]}
    assert ends(graph) == ["cancelled", "success"]


async def test_cancelled_ainvoke(saver: Saver, gate: Gate) -> None:
    """The task that invokes is cancelled while an async node waits."""
    graph = built(saver, gate.awaiting)
    running = asyncio.create_task(graph.ainvoke({"log": []}, PLACE))
    await reached(gate, saver)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ends(graph) == ["cancelled"]
    await goes_on(graph, gate)


async def test_timeout_around_ainvoke(saver: Saver, gate: Gate) -> None:
    """`asyncio.timeout` cancels like anybody else."""
    graph = built(saver, gate.awaiting)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await graph.ainvoke({"log": []}, PLACE)
    assert ends(graph) == ["cancelled"]
    await goes_on(graph, gate)


async def test_cancelled_twice(saver: Saver, gate: Gate) -> None:
    """A second cancel does not cut the end of the run short."""
    graph = built(saver, gate.awaiting)
    running = asyncio.create_task(graph.ainvoke({"log": []}, PLACE))
    await reached(gate, saver)
    running.cancel()
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ends(graph) == ["cancelled"]
    await goes_on(graph, gate)


async def test_cancelled_astream(saver: Saver, gate: Gate) -> None:
    """The task that reads a stream is cancelled."""
    graph = built(saver, gate.awaiting)

    async def read() -> None:
        async for _ in graph.astream({"log": []}, PLACE):
            continue

    running = asyncio.create_task(read())
    await reached(gate, saver)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ends(graph) == ["cancelled"]
    await goes_on(graph, gate)


async def test_closed_astream(saver: Saver, gate: Gate) -> None:
    """A reader that has seen enough closes the stream."""
    graph = built(saver, gate.awaiting)
    parts: Any = graph.astream({"log": []}, PLACE)
    assert [await anext(parts), await anext(parts)] == [{"first": {"log": ["first"]}}, {"beside": {"log": ["beside"]}}]
    await parts.aclose()
    assert ends(graph) == ["cancelled"]
    await goes_on(graph, gate)


async def test_closed_stream(saver: Saver, gate: Gate) -> None:
    """The same in the sync world: a thread cannot be ended, so closing waits for the nodes that run."""
    graph = built(saver, gate.blocking)
    parts: Any = graph.stream({"log": []}, PLACE)
    assert [next(parts), next(parts)] == [{"first": {"log": ["first"]}}, {"beside": {"log": ["beside"]}}]
    gate.released.set()
    parts.close()
    assert ends(graph) == ["cancelled"]
    assert graph.invoke(None, PLACE) == {"log": ["first", "beside", "gate", "last"]}
    assert ends(graph) == ["cancelled", "success"]


async def test_stream_left_before_it_began(saver: Saver, world: World, gate: Gate) -> None:
    """A stream that nobody reads runs nothing and writes nothing."""
    graph = built(saver, gate.awaiting)
    if world.name == "sync":
        stream: Any = graph.stream({"log": []}, PLACE)
        stream.close()
    else:
        stream = graph.astream({"log": []}, PLACE)
        await stream.aclose()
    assert saver.list_threads() == []


async def test_stream_closed_between_steps(saver: Saver, world: World, gate: Gate) -> None:
    """A reader stops after the first part: the run ends there, with the first step committed or not, never half."""
    gate.open = True
    graph = built(saver, gate.awaiting if world.name == "async" else gate.blocking)
    stream: Any = (graph.stream if world.name == "sync" else graph.astream)({"log": []}, PLACE)
    if world.name == "sync":
        assert next(stream) == {"first": {"log": ["first"]}}
        stream.close()
    else:
        assert await anext(stream) == {"first": {"log": ["first"]}}
        await stream.aclose()
    assert ends(graph) == ["cancelled"]
    assert graph.get_state(PLACE).values == {"log": ["first"]}
    assert await graph.ainvoke(None, PLACE) == {"log": ["first", "beside", "gate", "last"]}


async def test_sync_node_of_a_cancelled_run_writes_nothing_later(saver: Saver, gate: Gate) -> None:
    """A thread that outlives the run it worked for cannot add to a log that has been closed."""
    graph = built(saver, gate.blocking)
    running = asyncio.create_task(graph.ainvoke({"log": []}, PLACE))
    await reached(gate, saver)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    events = graph.thread("t").events()
    gate.released.set()
    await asyncio.sleep(0.1)
    assert graph.thread("t").events() == events
    assert ends(graph) == ["cancelled"]
    await goes_on(graph, gate)


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_interrupted_from_the_keyboard(saver: Saver, signal: type[BaseException], gate: Gate) -> None:
    """Ctrl-C in a node ends the run as cancelled and reaches the caller."""

    def press(state: State) -> State:
        if not gate.open:
            raise signal()
        return {"log": ["gate"]}

    builder = StateGraph(State).add_node("first", lambda state: {"log": ["first"]}).add_node("gate", press)
    graph = builder.add_edge(START, "first").add_edge("first", "gate").compile(saver)
    with pytest.raises(signal):
        graph.invoke({"log": []}, PLACE)
    assert ends(graph) == ["cancelled"]
    gate.open = True
    assert graph.invoke(None, PLACE) == {"log": ["first", "gate"]}


async def test_failure_cancels_async_sisters(saver: Saver, world: World, gate: Gate) -> None:
    """When a node fails, async sisters are cancelled, and run again when the thread goes on."""
    broken = [True]

    async def fail(state: State) -> State:
        await asyncio.to_thread(gate.reached.wait, 20)
        if broken:
            raise ConnectionError("down")
        return {"log": ["mended"]}

    builder = StateGraph(State).add_node("gate", gate.awaiting).add_node("fail", fail)
    graph = builder.add_edge(START, "gate").add_edge(START, "fail").compile(saver)
    with pytest.raises(ConnectionError):
        await graph.ainvoke({"log": []}, PLACE)
    assert ends(graph) == ["failed"]
    assert sorted(graph.get_state(PLACE).next) == ["fail", "gate"]
    broken.clear()
    gate.open = True
    assert await graph.ainvoke(None, PLACE) == {"log": ["mended", "gate"]}
