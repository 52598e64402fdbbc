"""W1: one node and a conditional edge back to it, until n supersteps have run. What a superstep costs."""

from random import Random
from time import perf_counter
from typing import Any, Literal, TypedDict

from benchmarks.libraries.face import Api, Foreign, Library
from benchmarks.workloads.requests import Invoke, Script
from benchmarks.workloads.workload import Figure, Goal, Place, Probe, Workload, text, thread_id

WARM_UP = 20


class State(TypedDict):
    count: int
    target: int
    note: str
    tid: str
    hook: bool


def counter(state: State) -> dict[str, int]:
    return {"count": state["count"] + 1}


def again(state: State) -> Literal["counter", "__end__"]:
    return "counter" if state["count"] < state["target"] else "__end__"


def build(library: Library, _: Api) -> Foreign:
    """Return the graph's builder; its node is a sync function for both APIs."""
    builder = library.state_graph(State)
    builder.add_node("counter", counter)
    builder.add_edge(library.start, "counter")
    builder.add_conditional_edges("counter", again)
    return builder


def script(size: int, probe: Probe) -> Script:
    """Warm up on a thread of its own, then time one run of `size` supersteps."""
    random = Random(1)
    yield start(random, WARM_UP)
    call = start(random, size)
    stored = probe.stored()
    began = perf_counter()
    result = yield call
    wall = perf_counter() - began
    assert result["count"] == size
    return {"steps per second": size / wall, "bytes per step": (probe.stored() - stored) / size}


def start(random: Random, steps: int) -> Invoke:
    """Return the call that runs `steps` supersteps on a new thread."""
    id = thread_id(random)
    state: dict[str, Any] = {"count": 0, "target": steps, "note": text(random, 64), "tid": id, "hook": False}
    return Invoke(state, {"configurable": {"thread_id": id}, "recursion_limit": steps + 10})


WORKLOAD = Workload(
    name="w1",
    title="chain: supersteps of one run",
    size=1000,
    quick=100,
    places=(
        Place("none", "sync"),
        Place("none", "async"),
        Place("memory", "sync"),
        Place("memory", "async"),
        Place("sqlite", "sync"),
        Place("sqlite", "async"),
        Place("sqlite", "sync", "async"),
        Place("postgres", "sync"),
        Place("postgres", "async"),
        Place("postgres", "sync", "async"),
    ),
    figures=(
        Figure("steps per second", "supersteps/s", "more", digits=0),
        Figure("bytes per step", "B/step stored", "less", digits=0, of_database=True),
    ),
    goals=(
        Goal(Place("none", "sync"), "steps per second", times=4),
        Goal(Place("none", "async"), "steps per second", times=4),
        Goal(Place("memory", "sync"), "steps per second", times=6),
        Goal(Place("memory", "async"), "steps per second", times=5),
        Goal(Place("sqlite", "sync"), "steps per second", times=3),
        Goal(Place("sqlite", "async"), "steps per second", times=4),
        Goal(Place("sqlite", "sync", "async"), "steps per second", times=12),
        Goal(Place("postgres", "sync"), "steps per second", times=4),
        Goal(Place("postgres", "async"), "steps per second", times=4),
        Goal(Place("postgres", "sync", "async"), "steps per second", times=10),
        Goal(Place("sqlite", "sync"), "bytes per step", most=600),
        Goal(Place("sqlite", "async"), "bytes per step", most=600),
        Goal(Place("postgres", "sync"), "bytes per step", most=800),
        Goal(Place("postgres", "async"), "bytes per step", most=800),
    ),
    build=build,
    script=script,
)
