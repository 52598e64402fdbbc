"""What bounds a run bounds the graphs inside it, too."""

import threading
from operator import add
from typing import Annotated, TypedDict

import pytest

from perdure import START, Send, StateGraph
from tests.acceptance.both_worlds import World

pytestmark = pytest.mark.anyio


class State(TypedDict):
    log: Annotated[list[str], add]


async def test_max_concurrency_reaches_graphs_inside(world: World) -> None:
    """With one worker, the tasks of a graph inside a node run one after the other, in the order of their sends."""
    running, most = 0, 0
    lock = threading.Lock()

    def work(given: dict[str, int]) -> dict[str, list[str]]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.01)
        with lock:
            running -= 1
        return {"log": [str(given["n"])]}

    inner = StateGraph(State).add_node("work", work)
    inner.add_conditional_edges(START, lambda _: [Send("work", {"n": n}) for n in range(5)])
    graph = StateGraph(State).add_node("inner", inner.compile()).add_edge(START, "inner").compile()
    result = await world(graph, "invoke", {"log": []}, {"max_concurrency": 1})
    assert (most, result) == (1, {"log": ["0", "1", "2", "3", "4"]})
