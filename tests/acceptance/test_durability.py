"""The three durabilities: when events become durable differs, what they are and in which order does not."""

import asyncio
import operator
import threading
from typing import Annotated, Any, TypedDict

import pytest

from perdure import END, START, Command, Saver, StateGraph, interrupt
from perdure.app import CompiledGraph
from perdure.errors import StoreUnavailableError
from perdure_memory import InMemorySaver
from tests.acceptance.both_worlds import World
from tests.acceptance.untouched import head

pytestmark = pytest.mark.anyio

PLACE: Any = {"thread_id": "t"}
MODES = ["sync", "async", "exit"]


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[Any], operator.add]


def chain(saver: Saver, *nodes: Any) -> CompiledGraph:
    builder, before = StateGraph(State), START
    for number, node in enumerate(nodes):
        builder.add_node(f"node{number}", node).add_edge(before, f"node{number}")
        before = f"node{number}"
    return builder.add_edge(before, END).compile(saver)


def add(word: str) -> Any:
    return lambda state: {"log": [word]}


def told(graph: CompiledGraph) -> list[Any]:
    """Return the log without ids and times."""
    return [(one.seq, one.kind, getattr(one.event, "node", None)) for one in graph.thread("t").events()]


@pytest.mark.parametrize("durability", MODES)
async def test_log_is_the_same(world: World, durability: Any) -> None:
    """Through a run, a question, an answer and a failure: event for event the same as in the default mode."""

    def run(graph: CompiledGraph, given: Any, **options: Any) -> Any:
        return world(graph, "invoke", given, PLACE, **options)

    logs = []
    for options in ({}, {"durability": durability}):
        broken = [True]

        def flaky(state: State, broken: list[bool] = broken) -> State:
            if broken:
                broken.clear()
                raise ConnectionError("down")
            return {"log": ["mended"]}

        graph = chain(InMemorySaver(), add("a"), lambda state: {"log": [interrupt("?")]}, flaky, add("d"))
        await run(graph, {"log": []}, **options)
        with pytest.raises(ConnectionError):
            await run(graph, Command(resume="yes"), **options)
        assert await run(graph, None, **options) == {"log": ["a", "yes", "mended", "d"]}
        assert graph.thread("t").verify().ok
        logs.append(told(graph))
    assert logs[0] == logs[1]


async def test_sync_is_durable_before_what_depends_on_it(saver: Saver, world: World) -> None:
    """When a node runs, its input and all that led to it are in the log: nothing is ahead of the store."""
    seen: list[tuple[str, int]] = []

    def look(state: State) -> State:
        records = saver.read("t", "main")
        seen.append((records[-1].kind, sum(one.task_id != "" and one.kind == "TaskSucceeded" for one in records)))
        return {"n": state["n"] + 1}

    await world(chain(saver, look, look, look), "invoke", {"n": 0}, PLACE)
    assert seen == [("StepCommitted", step) for step in range(3)]


async def test_exit_writes_when_the_run_stops(saver: Saver, world: World) -> None:
    """While it runs nothing is written; however it stops, everything is, in one append."""
    seen: list[int] = []

    def look(state: State) -> State:
        seen.append(head(saver, "t"))
        return {"log": [interrupt("?")]}

    graph = chain(saver, add("a"), look, add("c"))
    await world(graph, "invoke", {"log": []}, PLACE, durability="exit")
    paused = head(saver, "t")
    await world(graph, "invoke", Command(resume="yes"), PLACE, durability="exit")
    assert seen == [0, paused]
    assert head(saver, "t") > paused > 0


@pytest.mark.parametrize("durability", MODES)
async def test_everything_is_durable_when_the_call_returns(saver: Saver, world: World, durability: Any) -> None:
    """After invoke the saver has all of the run, in every mode."""
    graph = chain(saver, *[add(str(number)) for number in range(30)])
    await world(graph, "invoke", {"log": []}, PLACE, durability=durability)
    kinds = [one.kind for one in saver.read("t", "main")]
    assert kinds[-3:] == ["TaskSucceeded", "StepCommitted", "RunFinished"]
    assert kinds.count("StepCommitted") == 32


@pytest.mark.parametrize("durability", MODES)
async def test_failure_is_durable(saver: Saver, world: World, durability: Any) -> None:
    """A run that fails has written what it did, in every mode, and goes on from there."""
    broken = [True]

    def flaky(state: State) -> State:
        if broken:
            raise ConnectionError("down")
        return {"log": ["b"]}

    graph = chain(saver, add("a"), flaky)
    with pytest.raises(ConnectionError):
        await world(graph, "invoke", {"log": []}, PLACE, durability=durability)
    assert [one.kind for one in saver.read("t", "main")][-2:] == ["TaskFailed", "RunFinished"]
    broken.clear()
    assert await world(graph, "invoke", None, PLACE, durability=durability) == {"log": ["a", "b"]}


class Stuck(InMemorySaver):
    """A saver whose appends wait until `released` is set, but for the first: it accepts the input."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def append(self, *subject: Any, **options: Any) -> int:
        assert options["expected_seq"] == 0 or self.released.wait(60)
        return super().append(*subject, **options)


async def test_async_runs_ahead_but_not_without_bound(world: World) -> None:
    """A run does not wait for its store, until too much waits to be written; then it waits, and loses nothing."""
    saver, steps, count = Stuck(), 3000, [0]

    async def inc(state: State) -> State:
        count[0] += 1
        await asyncio.sleep(0)
        return {"n": state["n"] + 1}

    def inc_sync(state: State) -> State:
        count[0] += 1
        return {"n": state["n"] + 1}

    builder = StateGraph(State).add_node("inc", inc_sync if world.name == "sync" else inc).add_edge(START, "inc")
    builder.add_conditional_edges("inc", lambda state: "inc" if state["n"] < steps else END)
    graph = builder.compile(saver)
    if world.name == "sync":
        running = asyncio.create_task(asyncio.to_thread(graph.invoke, {"n": 0}, PLACE, durability="async"))
    else:
        running = asyncio.create_task(graph.ainvoke({"n": 0}, PLACE, durability="async"))
    before = -1
    while count[0] < 500 or count[0] != before:
        before = count[0]
        await asyncio.sleep(0.2)
    assert 500 <= count[0] < 1500
    saver.released.set()
    assert await running == {"n": steps, "log": []}
    assert len(saver.read("t", "main", kinds=["StepCommitted"])) == steps + 2


class Breaking(InMemorySaver):
    """A saver that refuses appends from a certain event on."""

    def append(self, *subject: Any, **options: Any) -> int:
        if options["records"][-1].seq > 40:
            raise StoreUnavailableError("the disk is full")
        return super().append(*subject, **options)


@pytest.mark.parametrize("durability", MODES)
async def test_failing_store_reaches_the_caller(world: World, durability: Any) -> None:
    """Whenever the store fails, the caller is told, and the log holds an unbroken beginning of the run."""
    saver = Breaking()
    graph = chain(saver, *[add(str(number)) for number in range(200)])
    with pytest.raises(StoreUnavailableError, match="the disk is full"):
        await world(graph, "invoke", {"log": []}, PLACE, durability=durability)
    assert graph.thread("t").verify().ok
    assert head(saver, "t") <= 40
