"""W4: many `Send`s in one superstep, each task's result durable by itself. What parallel work costs."""

import operator
from random import Random
from time import perf_counter
from typing import Annotated, Any, TypedDict

from benchmarks.libraries.face import Api, Foreign, Library
from benchmarks.workloads.requests import Invoke, Script
from benchmarks.workloads.workload import Figure, Goal, Place, Probe, Workload, thread_id

WARM_UP = 20


class State(TypedDict):
    count: int
    results: Annotated[list[int], operator.add]


def work(number: int) -> dict[str, Any]:
    return {"results": [number]}


async def work_async(number: int) -> dict[str, Any]:
    return {"results": [number]}


def build(library: Library, api: Api) -> Foreign:
    """Return the graph's builder; its node is a function of the API's kind."""

    def fan_out(state: State) -> list[Foreign]:
        return [library.send("work", number) for number in range(state["count"])]

    builder = library.state_graph(State)
    builder.add_node("work", work if api == "sync" else work_async)
    builder.add_conditional_edges(library.start, fan_out, ["work"])
    return builder


def script(size: int, _: Probe) -> Script:
    """Warm up on a thread of its own, then time one superstep of `size` tasks."""
    random = Random(6)
    yield start(random, WARM_UP)
    call = start(random, size)
    began = perf_counter()
    result = yield call
    wall = perf_counter() - began
    assert sorted(result["results"]) == list(range(size))
    return {"wall": wall}


def start(random: Random, tasks: int) -> Invoke:
    """Return the call that runs so many tasks side by side on a new thread."""
    return Invoke({"count": tasks, "results": []}, {"configurable": {"thread_id": thread_id(random)}})


WORKLOAD = Workload(
    name="w4",
    title="fan-out: tasks of one superstep",
    size=1000,
    quick=50,
    places=(
        Place("memory", "sync"),
        Place("memory", "async"),
        Place("sqlite", "sync"),
        Place("sqlite", "async"),
        Place("postgres", "sync"),
        Place("postgres", "async"),
    ),
    figures=(Figure("wall", "ms, all tasks", "less", digits=1, scale=1e3),),
    goals=(
        Goal(Place("memory", "async"), "wall", times=6),
        Goal(Place("sqlite", "sync"), "wall", times=4),
        Goal(Place("sqlite", "async"), "wall", times=10),
        Goal(Place("postgres", "async"), "wall", times=10),
    ),
    build=build,
    script=script,
)
