"""W2: one thread, one invoke a turn: the user says 1 KB, the node answers 1 KB. What a long conversation costs."""

import operator
from random import Random
from time import perf_counter
from typing import Annotated, Any, TypedDict

from benchmarks.libraries.face import Api, Foreign, Library
from benchmarks.workloads.requests import Figures, Invoke, Script
from benchmarks.workloads.workload import Figure, Goal, Place, Probe, Workload, text, thread_id

WARM_UP = 20
WINDOW = 100
"""Turns at the beginning and at the end that are compared (fewer when the conversation is short)."""
MESSAGE = 1024


class State(TypedDict):
    messages: Annotated[list[dict[str, str]], operator.add]


def build(library: Library, _: Api) -> Foreign:
    """Return the graph's builder; its node draws its answers from a seed."""
    random = Random(2)

    def reply(state: State) -> dict[str, Any]:
        return {"messages": [{"by": "node", "text": text(random, MESSAGE)}]}

    builder = library.state_graph(State)
    builder.add_node("reply", reply)
    builder.add_edge(library.start, "reply")
    builder.add_edge("reply", library.end)
    return builder


def script(size: int, probe: Probe) -> Script:
    """Warm up on a thread of its own, then time each of `size` turns."""
    random = Random(3)
    for call in turns(random, WARM_UP):
        yield call
    stored = probe.stored()
    seconds: list[float] = []
    result: Any = None
    for call in turns(random, size):
        began = perf_counter()
        result = yield call
        seconds.append(perf_counter() - began)
    assert len(result["messages"]) == 2 * size
    return figures(seconds, probe.stored() - stored, probe.peak_memory())


def turns(random: Random, count: int) -> list[Invoke]:
    """Return the calls of a conversation on a new thread."""
    config = {"configurable": {"thread_id": thread_id(random)}}
    return [Invoke({"messages": [{"by": "user", "text": text(random, MESSAGE)}]}, config) for _ in range(count)]


def figures(seconds: list[float], stored: int, peak: int) -> Figures:
    """Return what the turns' times add up to."""
    window = min(WINDOW, max(1, len(seconds) // 2))
    first, last = sum(seconds[:window]) / window, sum(seconds[-window:]) / window
    return {
        "wall": sum(seconds),
        "first turns": first,
        "last turns": last,
        "growth": last / first,
        "stored": stored,
        "peak memory": peak,
    }


WORKLOAD = Workload(
    name="w2",
    title="chat: turns of one conversation",
    size=1000,
    quick=100,
    places=(Place("memory", "sync"), Place("sqlite", "sync"), Place("postgres", "sync")),
    figures=(
        Figure("wall", "s, all turns", "less", digits=2),
        Figure("first turns", "ms/turn, first 100", "less", digits=2, scale=1e3),
        Figure("last turns", "ms/turn, last 100", "less", digits=2, scale=1e3),
        Figure("growth", "last / first", "less", digits=2),
        Figure("stored", "MB stored", "less", digits=2, scale=1e-6, of_database=True),
        Figure("peak memory", "MB peak memory", "less", digits=0, scale=1e-6),
    ),
    goals=(
        Goal(Place("sqlite", "sync"), "wall", times=20),
        Goal(Place("postgres", "sync"), "wall", times=60),
        Goal(Place("memory", "sync"), "growth", most=1.2),
        Goal(Place("sqlite", "sync"), "growth", most=1.2),
        Goal(Place("postgres", "sync"), "growth", most=1.2),
        Goal(Place("sqlite", "sync"), "stored", most=6),
        Goal(Place("postgres", "sync"), "stored", most=6),
        Goal(Place("memory", "sync"), "peak memory", most=120),
    ),
    build=build,
    script=script,
)
