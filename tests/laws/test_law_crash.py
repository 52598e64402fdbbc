"""Law 2: whatever a crash leaves of a log, resuming it ends in the same state and runs no recorded task again."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.events import Kind
from perdure.ports import Saver
from tests.laws.descriptions import Graph, graphs
from tests.laws.logs import KINDS, MemoryJournal, line, opened, write
from tests.laws.runs import Played
from tests.laws.scripts import SCRIPTS, THREAD, Act, perform

Told = list[tuple[Any, ...]]


class Story:
    """A script played to its end, with what was appended when."""

    def __init__(self, graph: Graph, script: Sequence[Act]) -> None:
        self.graph = graph
        self.script = script
        with MemoryJournal() as saver:
            played = Played(graph, saver)
            self.marks: list[int] = []
            for act in script:
                perform(played.player.play(act), played.app)
                self.marks.append(len(saver.journal))
            self.final = perform(played.player.settle(), played.app)
            self.told = told(played)
            self.journal = saver.journal

    def resume(self, kind: str, cut: int) -> None:
        """Let a process that knows nothing go on from the first `cut` appends, and check what comes of it."""
        with opened(kind) as saver:
            write(saver, self.journal[:cut])
            recorded = succeeded(saver)
            played = Played(self.graph, saver)
            before = 0
            for act, mark in zip(self.script, self.marks, strict=True):
                if mark > cut:
                    crashed = before < cut
                    perform(played.player.go_on() if crashed else played.player.play(act), played.app)
                before = mark
            assert self.final == perform(played.player.settle(), played.app)
            assert self.told == told(played)
            assert recorded & {(one.branch, one.task_id) for one in played.world.executions} == set()
            assert repeated(saver) == []


def told(played: Played) -> Told:
    """Return what the root graph's checkpoints say, oldest first, without ids and times."""
    return [
        ((one.metadata or {})["source"], (one.metadata or {})["step"], one.values, one.next)
        for one in reversed(played.history())
    ]


def succeeded(saver: Saver) -> set[tuple[str, str]]:
    """Return (branch, task id) of every task that is recorded on the branch's line of history."""
    return {
        (branch.id, record.task_id)
        for branch in saver.branches(THREAD)
        for record in line(saver, branch.id)
        if record.kind == Kind.TASK_SUCCEEDED
    }


def repeated(saver: Saver) -> list[tuple[str, str]]:
    """Return (branch, task id) of tasks that are recorded more than once on one line of history."""
    counted = Counter(
        (branch.id, record.task_id)
        for branch in saver.branches(THREAD)
        for record in line(saver, branch.id)
        if record.kind == Kind.TASK_SUCCEEDED
    )
    return [task for task, times in counted.items() if times > 1]


@given(graph=graphs(largest=12), script=SCRIPTS)
def test_every_prefix_resumes_to_the_same_end(graph: Graph, script: Sequence[Act]) -> None:
    """After a crash at any append the script ends in the same state, by the same checkpoints."""
    story = Story(graph, script)
    for cut in range(len(story.journal) + 1):
        story.resume("memory", cut)


@pytest.mark.parametrize("kind", KINDS)
@given(graph=graphs(), script=SCRIPTS, part=st.floats(0, 1))
def test_a_prefix_resumes_to_the_same_end(kind: str, graph: Graph, script: Sequence[Act], part: float) -> None:
    """The same after a crash somewhere, with every saver."""
    story = Story(graph, script)
    story.resume(kind, round(part * len(story.journal)))


@given(graph=graphs(), script=SCRIPTS)
def test_nothing_that_came_to_its_end_is_executed_again(graph: Graph, script: Sequence[Act]) -> None:
    """Without a crash, no execution that has come to its end is repeated for the same task on the same branch."""
    with opened("memory") as saver:
        played = Played(graph, saver)
        played.play(script)
        ended = Counter((one.branch, one.task_id) for one in played.world.executions if one.ended)
        assert {task: times for task, times in ended.items() if times > 1} == {}
