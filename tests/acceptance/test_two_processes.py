"""Several writers continue one thread at once: exactly one wins, and nothing of the others is visible."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from threading import Barrier
from typing import Any

import pytest

from perdure import Command, open_saver
from perdure.errors import StaleWriterError, UnknownInterruptError
from perdure.events import InterruptResolved
from perdure.ports import Head, Saver
from tests.acceptance.two_writers import (
    CONFIG,
    PATIENCE,
    Contest,
    asking,
    contend,
    contending,
    echoing,
    heard,
    process,
    serving,
)
from tests.acceptance.watched import watch
from tests.acceptance.worlds import WORLDS, World

LOST = {"StaleWriterError", "UnknownInterruptError", "NothingPendingError"}
ROUND = ["RunStarted", "InterruptResolved", "TaskSucceeded", "StepCommitted", "TaskInterrupted", "RunFinished"]


def begin(store: str) -> None:
    with open_saver(store) as saver:
        asking(saver).invoke({"entries": []}, CONFIG)


def check_rounds(store: str, outcomes: dict[str, list[str]], rounds: int) -> None:
    """Each round was won once, lost with a typed error by the others, and the log shows the winners only."""
    winners = []
    for number in range(rounds):
        (winner,) = (name for name, found in outcomes.items() if found[number] == "won")
        winners.append(f"{winner} {number}")
    assert {found for one in outcomes.values() for found in one} <= {"won"} | LOST
    with open_saver(store) as saver:
        thread = asking(saver).thread("shared")
        events = thread.events()
        assert [one.event.answer for one in events if isinstance(one.event, InterruptResolved)] == winners
        assert thread.state().values["entries"] == winners
        assert [one.kind for one in events][-len(ROUND) * rounds :] == ROUND * rounds
        assert len(thread.branches()) == 1
        assert thread.verify()


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("meeting", [False, True], ids=["asked", "appending"])
def test_two_processes_answer_the_same_question(store: str, world: World, meeting: bool) -> None:
    """In each of 200 rounds one process wins, the other is told so, and the database is never locked: when both set off
    at the question, and when both are about to append their answer to it.
    """
    begin(store)
    contest = Contest(store, meeting, 200, get_context("spawn").Barrier(2), world)
    with (
        process(contending, contest, "left") as (_, left),
        process(contending, contest, "right") as (_, right),
    ):
        outcomes = {"left": heard(left), "right": heard(right)}
    check_rounds(store, outcomes, 200)


@pytest.mark.parametrize("world", WORLDS)
def test_four_threads_answer_the_same_question(store: str, world: World) -> None:
    """Of four threads that share a saver and a graph, one wins each round."""
    begin(store)
    barrier, names = Barrier(4), ["a", "b", "c", "d"]
    with open_saver(store) as saver, ThreadPoolExecutor(4) as pool:
        graph = asking(saver)
        running = {name: pool.submit(contend, graph, name, 50, barrier, world) for name in names}
        outcomes = {name: one.result(PATIENCE) for name, one in running.items()}
    check_rounds(store, outcomes, 50)


class Counts:
    """Counts refused appends, and looks at where a branch stands: a cold start begins with one."""

    def __init__(self, saver: Saver) -> None:
        self.refused = self.looks = 0
        self._head = watch(saver, self.append).head
        saver.head = self.head  # type: ignore[method-assign]

    @contextmanager
    def append(self, _: bool) -> Iterator[None]:
        try:
            yield
        except StaleWriterError:
            self.refused += 1
            raise

    def head(self, thread_id: str, branch: str | None = None) -> Head | None:
        self.looks += 1
        return self._head(thread_id, branch)


def test_a_warm_process_that_was_overtaken_reloads_once(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn after another process's turn is refused once, loads the thread once, and sees the other's turn; a turn
    after one's own loads nothing.
    """
    monkeypatch.delenv("PERDURE_ALWAYS_SUSPENDING", raising=False)  # it keeps nothing warm
    expected: list[str] = []

    def turn(entry: str) -> dict[str, Any]:
        expected.extend([entry, f"echo of {entry}"])
        return {"entries": [entry]}

    with open_saver(store) as saver, process(serving, store) as (child, pipe):
        counts, graph = Counts(saver), echoing(saver)
        assert graph.invoke(turn("first"), CONFIG) == {"entries": expected}
        for number in range(1, 6):
            pipe.send(("echoing", turn(f"theirs {number}")))
            assert heard(pipe) == {"entries": expected}
            counts.looks = 0
            assert graph.invoke(turn(f"overtaken {number}"), CONFIG) == {"entries": expected}
            assert (counts.refused, counts.looks) == (number, 1)
            assert graph.invoke(turn(f"warm {number}"), CONFIG) == {"entries": expected}
            assert (counts.refused, counts.looks) == (number, 1)
        pipe.send(None)
        child.join(PATIENCE)
        assert child.exitcode == 0
        assert graph.get_state(CONFIG).values == {"entries": expected}
        assert graph.thread("shared").verify()


def test_a_warm_process_answers_a_question_that_was_answered(store: str) -> None:
    """It is told that the question is no longer open, writes nothing, and can answer the one that is."""
    with open_saver(store) as saver, process(serving, store) as (_, pipe):
        graph = asking(saver)
        (question,) = graph.invoke({"entries": []}, CONFIG)["__interrupt__"]
        pipe.send(("asking", Command(resume={question.id: "theirs"})))
        (following,) = heard(pipe)["__interrupt__"]
        records = saver.read("shared", "main")
        with pytest.raises(UnknownInterruptError) as refused:
            graph.invoke(Command(resume={question.id: "ours"}), CONFIG)
        assert refused.value.pending_ids == (following.id,)
        assert saver.read("shared", "main") == records
        result = graph.invoke(Command(resume={following.id: "ours"}), CONFIG)
        assert result["entries"] == ["theirs", "ours"]
