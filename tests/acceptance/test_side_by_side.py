"""Tasks of one step run side by side: sync nodes in threads, async nodes as tasks, a lone sync node where called."""

import asyncio
import operator
import threading
import time
from contextvars import ContextVar
from typing import Annotated, Any, TypedDict

import pytest

from perdure import START, Saver, Send, StateGraph
from perdure.app import CompiledGraph
from perdure.types import StreamWriter
from tests.acceptance.both_worlds import World

pytestmark = pytest.mark.anyio

PLACE: Any = {"thread_id": "t"}
who: ContextVar[str] = ContextVar("who", default="nobody")


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[Any], operator.add]


def parallel(saver: Saver | None, **nodes: Any) -> CompiledGraph:
    """Return a graph whose nodes all run in the first step."""
    builder = StateGraph(State)
    for name, node in nodes.items():
        builder.add_node(name, node).add_edge(START, name)
    return builder.compile(saver)


async def test_sync_nodes_meet(saver: Saver, world: World) -> None:
    """Two sync nodes that wait for each other both end: they run at the same time, in either world."""
    barrier = threading.Barrier(3)

    def meet(state: State) -> State:
        barrier.wait(timeout=20)
        return {"log": [threading.current_thread() is threading.main_thread()]}

    graph = parallel(saver, a=meet, b=meet, c=meet)
    assert await world(graph, "invoke", {"log": []}, PLACE) == {"log": [False, False, False]}


async def test_async_nodes_meet(saver: Saver) -> None:
    """Async nodes are tasks of the caller's loop."""
    here, arrived, both = threading.get_ident(), [0], asyncio.Event()

    async def meet(state: State) -> State:
        arrived[0] += 1
        if arrived[0] == 2:
            both.set()
        await asyncio.wait_for(both.wait(), 20)
        return {"log": [threading.get_ident() == here]}

    assert await parallel(saver, a=meet, b=meet).ainvoke({"log": []}, PLACE) == {"log": [True, True]}


async def test_sync_and_async_nodes_meet(saver: Saver) -> None:
    """A sync node beside an async one does not hold up the loop."""
    told = threading.Event()

    async def tell(state: State) -> State:
        told.set()
        return {"log": ["told"]}

    def wait(state: State) -> State:
        return {"log": [told.wait(20)]}

    assert await parallel(saver, a=wait, b=tell).ainvoke({"log": []}, PLACE) == {"log": [True, "told"]}


def test_lone_sync_node_runs_in_the_calling_thread(saver: Saver) -> None:
    """No thread is started for a step of one task, so thread-bound objects work."""
    graph = parallel(saver, only=lambda state: {"log": [threading.get_ident()]})
    assert graph.invoke({"log": []}, PLACE) == {"log": [threading.get_ident()]}
    assert [part["only"]["log"] for part in graph.stream({}, PLACE)] == [[threading.get_ident()]]


async def test_lone_sync_node_does_not_block_the_loop(saver: Saver) -> None:
    """In an async run it has a thread of its own."""
    told = threading.Event()
    graph = parallel(saver, only=lambda state: {"log": [told.wait(20)]})
    running = asyncio.create_task(graph.ainvoke({"log": []}, PLACE))
    await asyncio.sleep(0.01)
    told.set()
    assert await running == {"log": [True]}


@pytest.mark.parametrize("nodes", [1, 3])
async def test_context_variables_reach_nodes(saver: Saver, world: World, nodes: int) -> None:
    """What the caller has set, every node sees, in whichever thread it runs."""
    token = who.set("ada")
    graph = parallel(saver, **{f"n{number}": lambda state: {"log": [who.get()]} for number in range(nodes)})
    assert await world(graph, "invoke", {"log": []}, PLACE) == {"log": ["ada"] * nodes}
    who.reset(token)


@pytest.mark.parametrize("nodes", [1, 3])
async def test_context_variables_stay_in_their_node(saver: Saver, world: World, nodes: int) -> None:
    """What a node sets, neither its neighbours, nor the next step, nor the caller see, however it was run."""

    def change(state: State) -> State:
        seen = who.get()
        who.set("changed")
        return {"log": [seen]}

    builder = StateGraph(State).add_node("next", lambda state: {"log": [who.get()]})
    for number in range(nodes):
        builder.add_node(f"n{number}", change).add_edge(START, f"n{number}")
    builder.add_edge([f"n{number}" for number in range(nodes)], "next")
    assert await world(builder.compile(saver), "invoke", {"log": []}, PLACE) == {"log": ["nobody"] * (nodes + 1)}
    assert who.get() == "nobody"


@pytest.mark.parametrize("limit", [1, 2])
async def test_max_concurrency(saver: Saver, world: World, limit: int) -> None:
    """No more tasks than that run at once; all of them do run."""
    lock, running, most = threading.Lock(), [0], [0]

    def work(item: int) -> State:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1
        return {"log": [item]}

    builder = StateGraph(State).add_node("work", work)
    builder.add_conditional_edges(START, lambda state: [Send("work", number) for number in range(6)], ["work"])
    out = await world(builder.compile(saver), "invoke", {"log": []}, {**PLACE, "max_concurrency": limit})
    assert out == {"log": list(range(6))}
    assert most[0] == limit


async def test_max_concurrency_of_async_nodes(saver: Saver) -> None:
    """The bound holds for tasks of the loop, too."""
    running, most = [0], [0]

    async def work(item: int) -> State:
        running[0] += 1
        most[0] = max(most[0], running[0])
        await asyncio.sleep(0.005)
        running[0] -= 1
        return {"log": [item]}

    builder = StateGraph(State).add_node("work", work)
    builder.add_conditional_edges(START, lambda state: [Send("work", number) for number in range(6)], ["work"])
    place: Any = {**PLACE, "max_concurrency": 2}
    out = await builder.compile(saver).ainvoke({"log": []}, place)
    assert (out, most) == ({"log": list(range(6))}, [2])


async def test_parts_arrive_while_a_node_runs(saver: Saver, world: World) -> None:
    """A custom part reaches the reader before its node ends."""
    read = threading.Event()

    def talk(state: State, writer: StreamWriter) -> State:
        writer("hello")
        return {"log": [read.wait(20)]}

    graph = parallel(saver, talk=talk)
    parts = []
    if world.name == "sync":
        for part in graph.stream({"log": []}, PLACE, stream_mode=["custom", "updates"]):
            parts.append(part)
            read.set()
    else:
        async for part in graph.astream({"log": []}, PLACE, stream_mode=["custom", "updates"]):
            parts.append(part)
            read.set()
    assert parts == [("custom", "hello"), ("updates", {"talk": {"log": [True]}})]


async def test_finished_task_is_durable_while_its_sister_runs(saver: Saver, world: World) -> None:
    """A result is in the log as soon as it is there, not when the step ends."""
    seen: list[bool] = []

    def slow(state: State) -> State:
        for _ in range(2000):
            if any(b"quick" in record.payload for record in saver.read("t", "main", kinds=["TaskSucceeded"])):
                seen.append(True)
                break
            time.sleep(0.005)
        return {"log": ["slow"]}

    graph = parallel(saver, quick=lambda state: {"log": ["quick"]}, slow=slow)
    assert await world(graph, "invoke", {"log": []}, PLACE) == {"log": ["quick", "slow"]}
    assert seen == [True]


async def test_many_threads_at_once(saver: Saver) -> None:
    """One graph and one saver serve many coroutines and many threads."""
    graph = parallel(saver, a=lambda state: {"n": state["n"] + 1}, b=lambda state: {"log": ["b"]})
    tasks = [graph.ainvoke({"n": number, "log": []}, {"thread_id": f"a{number}"}) for number in range(12)]
    calls = [
        asyncio.to_thread(graph.invoke, {"n": number, "log": []}, {"thread_id": f"s{number}"}) for number in range(12)
    ]
    done = await asyncio.gather(*tasks, *calls)
    assert done == [{"n": number + 1, "log": ["b"]} for number in [*range(12), *range(12)]]
    assert all(graph.thread(one.thread_id).verify().ok for one in saver.list_threads())


async def test_two_branches_at_once(saver: Saver) -> None:
    """Two threads run two branches of one thread at the same time, without conflict."""
    barrier = threading.Barrier(2, timeout=20)
    meeting = [False]

    def meet(state: State) -> State:
        if meeting[0]:
            barrier.wait()
        return {"log": [state["n"]]}

    builder = StateGraph(State).add_node("one", meet).add_node("two", meet).add_node("three", meet)
    graph = builder.add_edge(START, "one").add_edge("one", "two").add_edge("two", "three").compile(saver)
    thread = graph.thread("t")
    thread.invoke({"n": 1, "log": []})
    start = next(one for one in thread.history() if one.next == ("one",))
    before = thread.events()
    forks = [thread.fork(start, name=name) for name in ("left", "right")]
    meeting[0] = True
    outs = await asyncio.gather(*(asyncio.to_thread(fork.invoke) for fork in forks))
    assert outs == [{"n": 1, "log": [1, 1, 1]}] * 2
    assert thread.events(branch="main") == before
    assert thread.verify().ok
