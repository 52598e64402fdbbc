"""Answers that fit no open question: refused before a byte is written, and the question stays open."""

from typing import Any, TypedDict

import pytest

from perdure import START, Command, Saver, StateGraph, interrupt
from perdure.app import CompiledGraph
from perdure.errors import (
    AmbiguousResumeError,
    EncodeError,
    NothingPendingError,
    ResumeError,
    UnknownInterruptError,
    UsageError,
)
from tests.acceptance.untouched import untouched

pytestmark = pytest.mark.anyio

PLACE: Any = {"thread_id": "t"}


class State(TypedDict, total=False):
    a: str
    b: str


def ask_a(state: State) -> State:
    return {"a": interrupt("a?")}


def ask_b(state: State) -> State:
    return {"b": interrupt("b?")}


@pytest.fixture
def asking(saver: Saver) -> CompiledGraph:
    """A graph whose two nodes, one after the other, each ask; the first waits."""
    builder = StateGraph(State).add_node("ask_a", ask_a).add_node("ask_b", ask_b)
    graph = builder.add_edge(START, "ask_a").add_edge("ask_a", "ask_b").compile(saver)
    graph.invoke({}, PLACE)
    return graph


@pytest.fixture
def asking_both(saver: Saver) -> CompiledGraph:
    """A graph whose two nodes ask side by side; both wait."""
    builder = StateGraph(State).add_node("ask_a", ask_a).add_node("ask_b", ask_b)
    graph = builder.add_edge(START, "ask_a").add_edge(START, "ask_b").compile(saver)
    graph.invoke({}, PLACE)
    return graph


def ids(graph: CompiledGraph) -> list[str]:
    return [question.id for question in graph.thread("t").pending()]


async def test_unknown_id(asking: CompiledGraph, saver: Saver) -> None:
    """The error names the id it was given and those that are open."""
    with untouched(saver):
        for call in (asking.invoke, lambda answer, place: list(asking.stream(answer, place))):
            with pytest.raises(UnknownInterruptError, match=f"{'0' * 32}.*open now: {ids(asking)[0]}") as refused:
                call(Command(resume={"0" * 32: "x"}), PLACE)
            assert refused.value.interrupt_ids == ("0" * 32,)
            assert refused.value.pending_ids == tuple(ids(asking))
        with pytest.raises(UnknownInterruptError):
            await asking.ainvoke(Command(resume={"0" * 32: "x"}), PLACE)
    assert asking.invoke(Command(resume="1"), PLACE)["a"] == "1"


def test_stale_id(asking: CompiledGraph, saver: Saver) -> None:
    """An answered question's id does not answer the next one."""
    (first,) = ids(asking)
    asking.invoke(Command(resume={first: "1"}), PLACE)
    (second,) = ids(asking)
    with untouched(saver), pytest.raises(UnknownInterruptError, match=f"{first}.*answered already.*{second}"):
        asking.invoke(Command(resume={first: "again"}), PLACE)
    assert asking.invoke(Command(resume={second: "2"}), PLACE) == {"a": "1", "b": "2"}


def test_one_stale_id_refuses_the_whole_map(asking_both: CompiledGraph, saver: Saver) -> None:
    """A map is taken whole or not at all."""
    a, b = ids(asking_both)
    asking_both.invoke(Command(resume={a: "1"}), PLACE)
    with untouched(saver), pytest.raises(UnknownInterruptError, match=a):
        asking_both.invoke(Command(resume={a: "again", b: "2"}), PLACE)
    assert asking_both.invoke(Command(resume={b: "2"}), PLACE) == {"a": "1", "b": "2"}


def test_ambiguous(asking_both: CompiledGraph, saver: Saver) -> None:
    """One answer for two questions is nobody's: the error lists both, and how to say which."""
    with (
        untouched(saver),
        pytest.raises(AmbiguousResumeError, match=r"2 questions are open.*a\?.*b\?.*resume=\{") as two,
    ):
        asking_both.invoke(Command(resume="x"), PLACE)
    assert two.value.pending_ids == tuple(ids(asking_both))
    assert asking_both.invoke(Command(resume=dict.fromkeys(ids(asking_both), "x")), PLACE) == {"a": "x", "b": "x"}


def test_answered_twice(asking: CompiledGraph, saver: Saver) -> None:
    """After the last question nothing is open; a repeated answer changes nothing."""
    asking.invoke(Command(resume="1"), PLACE)
    (last,) = ids(asking)
    asking.invoke(Command(resume="2"), PLACE)
    with untouched(saver):
        with pytest.raises(NothingPendingError, match="waits for no answer"):
            asking.invoke(Command(resume="2"), PLACE)
        with pytest.raises(UnknownInterruptError, match="nothing is open now"):
            asking.invoke(Command(resume={last: "2"}), PLACE)
    assert asking.get_state(PLACE).values == {"a": "1", "b": "2"}


def test_answer_to_a_thread_that_never_ran(asking: CompiledGraph, saver: Saver) -> None:
    """An answer starts no thread."""
    with untouched(saver), pytest.raises(NothingPendingError):
        asking.invoke(Command(resume="x"), {"thread_id": "new"})


def test_answer_that_cannot_be_stored(asking: CompiledGraph, saver: Saver) -> None:
    """The question stays open for one that can."""
    with untouched(saver), pytest.raises(EncodeError) as refused:
        asking.invoke(Command(resume={"files": [object()]}), PLACE)
    assert refused.value.path.startswith("$")
    assert refused.value.path.endswith(".files[0]")
    assert asking.invoke(Command(resume="1"), PLACE)["a"] == "1"


def test_answer_beside_a_bad_update(asking: CompiledGraph, saver: Saver) -> None:
    """A Command is taken whole or not at all: its answer is not recorded when its update cannot be."""
    with untouched(saver):
        with pytest.raises(ValueError, match="unknown key 'c'"):
            asking.invoke(Command(resume="1", update={"c": "x"}), PLACE)
        with pytest.raises(ValueError, match="no node 'nowhere'"):
            asking.invoke(Command(resume="1", goto="nowhere"), PLACE)
        with pytest.raises(EncodeError):
            asking.invoke(Command(resume="1", update={"b": object()}), PLACE)
    assert ids(asking) != []


def test_without_a_saver_nothing_can_be_resumed() -> None:
    """A graph that keeps nothing says what it lacks."""
    graph = StateGraph(State).add_node("ask_a", ask_a).add_edge(START, "ask_a").compile()
    with pytest.raises((ResumeError, UsageError), match=r"checkpointer|saver"):
        graph.invoke(Command(resume="x"))


def test_pause_by_error_asks_no_question(saver: Saver) -> None:
    """A node paused with `InterruptedError` takes a dict or None, and the error says so."""

    def wait(state: State) -> State:
        if "a" not in state:
            raise InterruptedError("not yet")
        return {"b": state["a"]}

    graph = StateGraph(State).add_node("wait", wait).add_edge(START, "wait").compile(saver)
    with pytest.raises(InterruptedError):
        graph.invoke({}, PLACE)
    with untouched(saver), pytest.raises(NothingPendingError, match=r"InterruptedError.*invoke"):
        graph.invoke(Command(resume="x"), PLACE)
    assert graph.invoke({"a": "x"}, PLACE) == {"a": "x", "b": "x"}
