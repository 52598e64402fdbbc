"""What users' type checkers see: this file is checked by mypy in strict mode, and runs."""

from collections.abc import Iterator
from typing import Any, TypedDict, assert_type

from perdure import (
    END,
    START,
    Command,
    CompiledGraph,
    Interrupt,
    Saver,
    StateGraph,
    StateSnapshot,
    interrupt,
    open_saver,
)
from perdure.thread import LoggedEvent, Thread
from perdure.types import RunnableConfig


class State(TypedDict):
    text: str


def ask(state: State) -> State:
    return {"text": f"{state['text']} {interrupt('more?')}"}


def test_everyday_calls_have_types() -> None:
    """A graph is built, run, looked at and forked without a cast or an ignore."""
    saver = open_saver("memory:")
    assert_type(saver, Saver)
    graph = StateGraph(State).add_node("ask", ask).add_edge(START, "ask").add_edge("ask", END).compile(saver)
    assert_type(graph, CompiledGraph)
    config: RunnableConfig = {"thread_id": "t"}
    assert graph.invoke({"text": "a"}, config)["text"] == "a"
    state = graph.get_state(config)
    assert_type(state, StateSnapshot)
    assert_type(state.interrupts, tuple[Interrupt, ...])
    assert graph.invoke(Command(resume="b"), config, durability="sync") == {"text": "a b"}
    assert_type(graph.stream(None, config, stream_mode=["values", "updates"]), Iterator[Any])
    thread = graph.thread("t", actor="ada")
    assert_type(thread, Thread)
    assert_type(thread.events(), list[LoggedEvent])
    assert_type(thread.fork(thread.history()[1]), Thread)
    assert thread.verify().ok
