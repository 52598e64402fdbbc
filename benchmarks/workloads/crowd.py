"""W5: many short runs, each on a thread of its own, several at once: 4 OS threads, or 16 coroutines.

A step lasts from one beginning of the node to the next, so its commit and all waiting are in it.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from time import perf_counter
from typing import Any, Final

from benchmarks.libraries.face import Api, Foreign, Library
from benchmarks.workloads import chain
from benchmarks.workloads.requests import Figures, Invoke, Many, Script
from benchmarks.workloads.workload import Figure, Goal, Place, Probe, Workload, middle, text, thread_id

STEPS: Final = 5
WARM_UP: Final = 16
BEGAN: Final[defaultdict[str, list[float]]] = defaultdict(list)
"""When the node began, by thread id: written by the nodes of this process, read by its script."""


def counter(state: chain.State) -> dict[str, int]:
    if state["hook"]:
        BEGAN[state["tid"]].append(perf_counter())
    return {"count": state["count"] + 1}


async def counter_async(state: chain.State) -> dict[str, int]:
    return counter(state)


def build(library: Library, api: Api) -> Foreign:
    """Return the builder of W1's graph; its node is a function of the API's kind, and tells when it begins."""
    builder = library.state_graph(chain.State)
    builder.add_node("counter", counter if api == "sync" else counter_async)
    builder.add_edge(library.start, "counter")
    builder.add_conditional_edges("counter", chain.again)
    return builder


def script(size: int, _: Probe) -> Script:
    """Warm up, then time `size` runs from the first one's start to the last one's end."""
    random = Random(5)
    yield Many([start(random, hook=False) for _ in range(WARM_UP)])
    calls = [start(random, hook=True) for _ in range(size)]
    BEGAN.clear()
    began = perf_counter()
    results = yield Many(calls)
    return figures(results, perf_counter() - began)


def start(random: Random, *, hook: bool) -> Invoke:
    """Return the call of one run."""
    id = thread_id(random)
    state: dict[str, Any] = {"count": 0, "target": STEPS, "note": text(random, 64), "tid": id, "hook": hook}
    return Invoke(state, {"configurable": {"thread_id": id}})


def figures(results: Sequence[Any], wall: float) -> Figures:
    """Return what the runs add up to."""
    ended = [one for one in results if not isinstance(one, Exception)]
    assert all(one["count"] == STEPS for one in ended)
    steps = [after - before for times in BEGAN.values() for before, after in pairwise(times)]
    return {
        "threads per second": len(ended) / wall,
        "middle step": middle(steps),
        "slow step": middle(steps, 0.99),
        "errors": len(results) - len(ended),
    }


SYNC, ASYNC = Place("sqlite", "sync"), Place("sqlite", "async")
POSTGRES_SYNC, POSTGRES_ASYNC = Place("postgres", "sync"), Place("postgres", "async")

WORKLOAD = Workload(
    name="w5",
    title="crowd: threads of 5 steps, by 4 OS threads (sync) or 16 coroutines (async)",
    size=1000,
    quick=40,
    places=(Place("memory", "sync"), Place("memory", "async"), SYNC, ASYNC, POSTGRES_SYNC, POSTGRES_ASYNC),
    figures=(
        Figure("threads per second", "threads/s", "more", digits=0),
        Figure("middle step", "ms/step, p50", "less", digits=2, scale=1e3),
        Figure("slow step", "ms/step, p99", "less", digits=2, scale=1e3),
        Figure("errors", "errors", "less", digits=0),
    ),
    goals=(
        Goal(SYNC, "threads per second", times=5),
        Goal(ASYNC, "threads per second", times=12),
        Goal(POSTGRES_SYNC, "threads per second", times=6),
        Goal(POSTGRES_ASYNC, "threads per second", times=10),
        Goal(SYNC, "slow step", most=3),
        Goal(ASYNC, "slow step", most=3),
        Goal(POSTGRES_SYNC, "slow step", most=5),
        Goal(POSTGRES_ASYNC, "slow step", most=5),
        *(Goal(place, "errors", most=0) for place in (SYNC, ASYNC, POSTGRES_SYNC, POSTGRES_ASYNC)),
    ),
    build=build,
    script=script,
    crowded=True,
)
