"""Rebuilding: a state folded from the first event on equals the one that snapshots give."""

from typing import ClassVar

from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver, Snapshot
from perdure.testing.conformance.suite import SaverClauses
from perdure.testing.programs import said, states, talking_graph

TURNS = 8


def _talk(saver: Saver) -> None:
    thread = talking_graph(saver).thread("t")
    for turn in range(TURNS):
        thread.invoke(said(f"word {turn}"))


def _snapshots(saver: Saver) -> list[Snapshot]:
    """Return all snapshots of the main branch, the newest first."""
    found: list[Snapshot] = []
    upto = 10_000
    while (one := saver.get_snapshot("t", MAIN_BRANCH, upto=upto)) is not None:
        assert one.seq <= upto
        found.append(one)
        upto = one.seq - 1
    return found


class RebuildClauses(SaverClauses):
    """A graph's states, with and without snapshots."""

    capability: ClassVar[str] = "rebuild-equality"

    def test_states_from_snapshots_equal_states_from_events(self, saver: Saver) -> None:
        """Every checkpoint, read with all snapshots and with none."""
        _talk(saver)
        kept = _snapshots(saver)
        assert len(kept) >= 1
        with_snapshots = states(talking_graph(saver), "t", MAIN_BRANCH)
        assert saver.drop_snapshots("t") == len(kept)
        assert states(talking_graph(saver), "t", MAIN_BRANCH) == with_snapshots
        assert [len(values["words"]) for _, values, next in with_snapshots if not next] == list(range(2, 18, 2))

    def test_going_on_without_snapshots(self, saver: Saver) -> None:
        """A thread whose snapshots were dropped goes on as if they were there, and gets new ones."""
        _talk(saver)
        saver.drop_snapshots("t")
        _talk(saver)
        assert _snapshots(saver)
        words = talking_graph(saver).thread("t").state().values["words"]
        assert words[1::2] == [f"answer {turn + 1} to word {turn % TURNS}" for turn in range(2 * TURNS)]

    def test_forks_state_from_its_parents_snapshot(self, saver: Saver) -> None:
        """A fork beyond a snapshot of its parent's shows the same with it and without it."""
        _talk(saver)
        graph = talking_graph(saver)
        *_, last = states(graph, "t", MAIN_BRANCH)
        forked = graph.thread("t").fork(last[0])
        assert forked.branch is not None
        forked.invoke(said("on the fork"))
        before = states(graph, "t", forked.branch)
        assert saver.drop_snapshots("t") >= 1
        assert states(talking_graph(saver), "t", forked.branch) == before

    def test_older_snapshots_may_be_stored_again(self, saver: Saver) -> None:
        """Snapshots of any age, put back in any order, give the same states."""
        _talk(saver)
        kept = _snapshots(saver)
        expected = states(talking_graph(saver), "t", MAIN_BRANCH)
        saver.drop_snapshots("t")
        for snapshot in kept:
            saver.put_snapshot("t", snapshot)
            assert states(talking_graph(saver), "t", MAIN_BRANCH) == expected
        assert _snapshots(saver) == kept
