"""Reading any checkpoint of a long thread folds a bounded multiple of its state, however long the thread is."""

from typing import Any, TypedDict

import pytest

from perdure import END, START, StateGraph
from perdure.engine.writer import FLOOR
from perdure.events import Record
from perdure_memory import InMemorySaver

STEPS = 10_000


@pytest.fixture(autouse=True)
def remembering(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured is reading: the run before it need not load its state anew after each of its steps."""
    monkeypatch.delenv("PERDURE_ALWAYS_SUSPENDING", raising=False)


class State(TypedDict):
    n: int
    ballast: str


class Counting(InMemorySaver):
    """Counts the bytes that reads hand out."""

    def __init__(self) -> None:
        super().__init__()
        self.read_bytes = 0

    def read(self, thread_id: str, branch: str, **options: Any) -> list[Record]:
        found = super().read(thread_id, branch, **options)
        self.read_bytes += sum(len(record.payload) for record in found)
        return found


def long_thread(saver: InMemorySaver, ballast: int) -> Any:
    def step(state: State) -> dict[str, int]:
        return {"n": state["n"] + 1}

    builder = StateGraph(State).add_node("step", step).add_edge(START, "step")
    builder.add_conditional_edges("step", lambda state: "step" if state["n"] < STEPS else END)
    graph = builder.compile(saver, warm=False)
    graph.invoke({"n": 0, "ballast": "x" * ballast}, {"thread_id": "t", "recursion_limit": STEPS + 10})
    return graph


@pytest.mark.parametrize("ballast", [10, 500_000])
def test_reads_are_bounded(ballast: int) -> None:
    """At the start, in the middle and at the end: at most twice the larger of the state and the snapshots' floor."""
    saver = Counting()
    graph = long_thread(saver, ballast)
    checkpoints = [one for one in saver.read("t", "main") if one.checkpoint_id]
    for index in (1, 2, 777, 5_000, 9_999, -1):
        saver.read_bytes = 0
        at = {"configurable": {"thread_id": "t", "checkpoint_id": checkpoints[index].checkpoint_id}}
        state = graph.get_state(at)
        assert state.values["n"] == max(0, index - 1 if index > 0 else STEPS)
        assert saver.read_bytes <= 2 * (FLOOR + ballast), index


def test_history_of_a_long_thread_reads_what_it_shows() -> None:
    """The newest ten checkpoints do not cost a walk over the other ten thousand's values."""
    saver = Counting()
    graph = long_thread(saver, 10)
    newest = list(graph.get_state_history({"thread_id": "t"}, limit=10))
    assert [one.values["n"] for one in newest] == list(range(STEPS, STEPS - 10, -1))
    saver.read_bytes = 0
    list(graph.get_state_history({"thread_id": "t"}, limit=10))
    assert saver.read_bytes <= 4 * FLOOR
