"""W6: fresh threads, one after the other: a run up to a question, and one from its answer to the end."""

from random import Random
from time import perf_counter
from typing import Any, TypedDict

from benchmarks.libraries.face import Api, Foreign, Library
from benchmarks.workloads.requests import Invoke, Resume, Script
from benchmarks.workloads.workload import Figure, Goal, Place, Probe, Workload, text, thread_id

WARM_UP = 5


class State(TypedDict):
    note: str
    answer: str


def build(library: Library, api: Api) -> Foreign:
    """Return the graph's builder; its node is a function of the API's kind."""

    def ask(_: State) -> dict[str, Any]:
        return {"answer": library.interrupt("Shall I go on?")}

    async def ask_async(state: State) -> dict[str, Any]:
        return ask(state)

    builder = library.state_graph(State)
    builder.add_node("ask", ask if api == "sync" else ask_async)
    builder.add_edge(library.start, "ask")
    builder.add_edge("ask", library.end)
    return builder


def script(size: int, _: Probe) -> Script:
    """Warm up, then time `size` questions and answers, one after the other."""
    random = Random(7)
    yield from round_trips([start(random) for _ in range(WARM_UP)])
    calls = [start(random) for _ in range(size)]
    began = perf_counter()
    yield from round_trips(calls)
    return {"round trips per second": size / (perf_counter() - began)}


def round_trips(calls: list[Invoke]) -> Script:
    """Ask, answer, and see that the answer has arrived."""
    for call in calls:
        asked = yield call
        assert "answer" not in asked
        ended = yield Resume("yes", call.config)
        assert ended["answer"] == "yes"
    return {}


def start(random: Random) -> Invoke:
    """Return the call that begins a new thread."""
    return Invoke({"note": text(random, 64)}, {"configurable": {"thread_id": thread_id(random)}})


WORKLOAD = Workload(
    name="w6",
    title="interrupts: questions answered, one after the other",
    size=500,
    quick=20,
    places=(
        Place("memory", "sync"),
        Place("memory", "async"),
        Place("sqlite", "sync"),
        Place("sqlite", "async"),
        Place("postgres", "sync"),
        Place("postgres", "async"),
    ),
    figures=(Figure("round trips per second", "round trips/s", "more", digits=0),),
    goals=(
        Goal(Place("memory", "sync"), "round trips per second", times=12),
        Goal(Place("sqlite", "sync"), "round trips per second", times=4),
        Goal(Place("postgres", "sync"), "round trips per second", times=4),
    ),
    build=build,
    script=script,
)
