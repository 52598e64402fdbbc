"""Two processes work on one thread: here two savers of one file, each with a graph that remembers what it last saw."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import pytest

from perdure import START, Command, StateGraph, interrupt
from perdure.app import CompiledGraph
from perdure.errors import NothingPendingError, StaleWriterError
from perdure_sqlite import SqliteSaver

PLACE: Any = {"thread_id": "t"}


class State(TypedDict, total=False):
    count: int
    answer: str


def ask(state: State) -> State:
    return {"answer": interrupt("sure?") if state["count"] > 1 else "not asked"}


def built(saver: SqliteSaver) -> CompiledGraph:
    return StateGraph(State).add_node("ask", ask).add_edge(START, "ask").compile(saver)


@pytest.fixture
def pair(database: Path) -> Iterator[tuple[CompiledGraph, CompiledGraph]]:
    """Two graphs over two savers of one file; the first has run a thread that the second goes on with."""
    with SqliteSaver(database) as one, SqliteSaver(database) as other:
        mine, theirs = built(one), built(other)
        mine.invoke({"count": 1}, PLACE)
        yield mine, theirs


Pair = tuple[CompiledGraph, CompiledGraph]


def test_state_is_read_as_it_is(pair: Pair) -> None:
    """What a process remembers is checked against the log before it is shown."""
    mine, theirs = pair
    theirs.invoke({"count": 2}, PLACE)
    assert mine.get_state(PLACE).values["count"] == 2
    assert [question.value for question in mine.thread("t").pending()] == ["sure?"]


def test_new_input_follows_what_others_wrote(pair: Pair) -> None:
    """A run on a remembered state that is old is refused by the log, and begun again on the new one."""
    mine, theirs = pair
    theirs.invoke({"count": -5}, PLACE)
    mine.invoke({}, PLACE)
    assert mine.get_state(PLACE).values["count"] == -5
    assert mine.thread("t").verify().ok


def test_answer_reaches_a_question_that_another_process_asked(pair: Pair) -> None:
    """Whether a question is open is decided by the log, not by what this process last saw."""
    mine, theirs = pair
    theirs.invoke({"count": 2}, PLACE)
    assert mine.invoke(Command(resume="yes"), PLACE) == {"count": 2, "answer": "yes"}


def test_none_goes_on_with_what_another_process_began(pair: Pair) -> None:
    """`invoke(None)` looks whether anything is open now."""
    mine, theirs = pair
    theirs.invoke({"count": 2}, PLACE, interrupt_before=["ask"])
    assert mine.invoke(None, PLACE)["__interrupt__"][0].value == "sure?"


def test_finished_thread_is_answered_from_the_log(pair: Pair) -> None:
    """With nothing open, `invoke(None)` returns the thread's newest state, whoever wrote it."""
    mine, theirs = pair
    theirs.invoke({"count": 0}, PLACE)
    assert mine.invoke(None, PLACE) == {"count": 0, "answer": "not asked"}


def test_second_answer_to_one_question_is_refused(pair: Pair) -> None:
    """Of two processes that answer, the first wins; the other is told that nothing is open."""
    mine, theirs = pair
    mine.invoke({"count": 2}, PLACE)
    theirs.invoke(Command(resume="theirs"), PLACE)
    with pytest.raises(NothingPendingError):
        mine.invoke(Command(resume="mine"), PLACE)
    assert mine.get_state(PLACE).values == {"count": 2, "answer": "theirs"}


def test_run_that_is_overtaken_is_refused(database: Path) -> None:
    """A run whose thread another process goes on with cannot write any more; the other's run stands."""
    with SqliteSaver(database) as one, SqliteSaver(database) as other:
        winner = built(other)

        def slow(state: State) -> State:
            winner.update_state(PLACE, {"answer": "winner"}, as_node="ask")
            return {"answer": "loser"}

        graph = StateGraph(State).add_node("ask", slow).add_edge(START, "ask").compile(one)
        with pytest.raises(StaleWriterError, match="another writer was first"):
            graph.invoke({"count": 1}, PLACE)
        assert winner.get_state(PLACE).values == {"count": 1, "answer": "winner"}
        assert winner.thread("t").verify().ok
