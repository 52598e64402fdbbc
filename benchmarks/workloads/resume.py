"""W3: coming back to the long conversation of W2: cold, in a fresh process, and warm. What a long past costs.

The script has the conversation and leaves a question open at its end; the phases, each in a fresh process, look at the
thread, answer, go through its history, and fork it. "Cold" is the thread: a look at another one has opened connections.
"""

from collections.abc import Mapping
from random import Random
from time import perf_counter
from typing import Any, Final

from benchmarks.libraries.face import Api, Foreign, Library
from benchmarks.workloads import chat
from benchmarks.workloads.requests import Config, Figures, Fresh, History, Invoke, Look, Resume, Script, Told
from benchmarks.workloads.workload import Figure, Goal, Place, Probe, Workload, middle, text

ENTRIES: Final = 1000
LOOKS: Final = 20
ROUNDS: Final = 5
"""Warm answers, and forks, of which the middle one counts."""
QUESTION: Final = "Shall I go on?"
NOBODY: Final[Config] = {"configurable": {"thread_id": "00000000-0000-4000-8000-000000000000"}}


def build(library: Library, _: Api) -> Foreign:
    """Return the graph's builder: W2's, but that its node asks when it is told to."""
    random = Random(2)

    def reply(state: chat.State) -> dict[str, Any]:
        asked = state["messages"][-1]["text"] == QUESTION
        answer = library.interrupt(QUESTION) if asked else text(random, chat.MESSAGE)
        return {"messages": [{"by": "node", "text": answer}]}

    builder = library.state_graph(chat.State)
    builder.add_node("reply", reply)
    builder.add_edge(library.start, "reply")
    builder.add_edge("reply", library.end)
    return builder


def question(config: Config) -> Invoke:
    """Return the turn that leaves a question open."""
    return Invoke({"messages": [{"by": "user", "text": QUESTION}]}, config)


def script(size: int, _: Probe) -> Script:
    """Have a conversation of `size` turns, then measure what fresh processes do with it."""
    calls = chat.turns(Random(3), size)
    config = calls[0].config
    for call in calls[: size // 2]:
        yield call
    half: Foreign = yield Look(config)
    for call in calls[size // 2 :]:
        yield call
    yield question(config)
    given = {"config": config, "half": half.config, "turns": size}
    figures: Figures = {}
    for phase in PHASES:
        told: Told = yield Fresh(phase, given)
        figures |= told.figures
        if phase.startswith("cold"):
            figures[f"{phase} process"] = told.process
    return figures


def cold_state(given: Mapping[str, Any], _: Probe) -> Script:
    """Look at the thread."""
    yield Look(NOBODY)
    began = perf_counter()
    state: Foreign = yield Look(given["config"])
    seconds = perf_counter() - began
    assert len(state.values["messages"]) == 2 * given["turns"] + 1
    return {"cold state": seconds}


def cold_resume(given: Mapping[str, Any], _: Probe) -> Script:
    """Answer the question: the first thing that this process does."""
    began = perf_counter()
    result = yield Resume("yes", given["config"])
    seconds = perf_counter() - began
    assert len(result["messages"]) == 2 * given["turns"] + 2
    return {"cold resume": seconds}


def history(given: Mapping[str, Any], probe: Probe) -> Script:
    """Go through the newest entries: first their names only, then with a look into the values of each."""
    began = perf_counter()
    entries: list[int] = yield History(given["config"], ENTRIES, lambda entry: len(entry.config["configurable"]))
    between = perf_counter()
    messages: list[int] = yield History(given["config"], ENTRIES, lambda entry: len(entry.values.get("messages", ())))
    ended = perf_counter()
    assert len(entries) == len(messages) <= ENTRIES
    assert messages[0] == 2 * given["turns"] + 2
    return {"history": between - began, "history values": ended - between, "history memory": probe.peak_memory()}


def warm(given: Mapping[str, Any], probe: Probe) -> Script:
    """Look, answer and fork in a process that knows the thread."""
    config = given["config"]
    yield Look(config)
    looks = []
    for _ in range(LOOKS):
        began = perf_counter()
        yield Look(config)
        looks.append(perf_counter() - began)
    answers = []
    for _ in range(ROUNDS):
        yield question(config)
        began = perf_counter()
        yield Resume("yes", config)
        answers.append(perf_counter() - began)
    forks = yield from fork(given, probe)
    return {"warm state": middle(looks), "warm resume": middle(answers), **forks}


def fork(given: Mapping[str, Any], probe: Probe) -> Script:
    """Return the seconds and the bytes that a turn takes which begins in the middle of the conversation."""
    random = Random(4)
    before = given["turns"] // 2
    stored = probe.stored()
    seconds = []
    for _ in range(ROUNDS):
        turn = {"messages": [{"by": "user", "text": text(random, chat.MESSAGE)}]}
        began = perf_counter()
        result = yield Invoke(turn, given["half"])
        seconds.append(perf_counter() - began)
        assert len(result["messages"]) == 2 * before + 2
    return {"fork": middle(seconds), "fork stored": (probe.stored() - stored) / ROUNDS}


PHASES: Final = {"cold state": cold_state, "cold resume": cold_resume, "history": history, "warm": warm}
SQLITE, POSTGRES = Place("sqlite", "sync"), Place("postgres", "sync")

WORKLOAD = Workload(
    name="w3",
    title="resume: back to a conversation",
    size=1000,
    quick=30,
    places=(SQLITE, POSTGRES),
    figures=(
        Figure("cold state", "ms, cold get_state", "less", digits=2, scale=1e3),
        Figure("cold state process", "ms, cold get_state, process", "less", digits=0, scale=1e3),
        Figure("cold resume", "ms, cold resume", "less", digits=2, scale=1e3),
        Figure("cold resume process", "ms, cold resume, process", "less", digits=0, scale=1e3),
        Figure("history", "ms, 1,000 entries", "less", digits=1, scale=1e3),
        Figure("history values", "ms, with values", "less", digits=1, scale=1e3),
        Figure("history memory", "MB peak memory, history", "less", digits=0, scale=1e-6),
        Figure("warm state", "ms, warm get_state", "less", digits=3, scale=1e3),
        Figure("warm resume", "ms, warm resume", "less", digits=2, scale=1e3),
        Figure("fork", "ms, fork and one turn", "less", digits=2, scale=1e3),
        Figure("fork stored", "KB stored, that turn", "less", digits=1, scale=1e-3),
    ),
    goals=(
        Goal(SQLITE, "cold state", times=1 / 1.5),
        Goal(POSTGRES, "cold state", times=1),
        Goal(SQLITE, "cold resume process", times=4),
        Goal(POSTGRES, "cold resume process", times=3),
        Goal(SQLITE, "warm state", times=30),
        Goal(POSTGRES, "warm state", times=30),
        Goal(SQLITE, "warm resume", times=12),
        Goal(POSTGRES, "warm resume", times=40),
        *(
            goal
            for place in (SQLITE, POSTGRES)
            for goal in (
                Goal(place, "history", times=100),
                Goal(place, "history values", times=20),
                Goal(place, "history memory", most=150),
                Goal(place, "fork stored", most=20),  # nothing copied: what was said before is a megabyte
            )
        ),
        Goal(SQLITE, "fork", times=3),
        Goal(POSTGRES, "fork", times=8),
    ),
    build=build,
    script=script,
    phases=PHASES,
)
