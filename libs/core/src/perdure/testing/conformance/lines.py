"""Lines of history: a fork's line equals its parent's up to the fork point, whatever happens to either afterwards."""

from typing import ClassVar

import pytest

from perdure.chain import GENESIS
from perdure.errors import CorruptEventError
from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.lineage import answer, replay, segments_of
from perdure.ports import Branch, Saver
from perdure.testing.conformance.suite import SaverClauses, unplaced
from perdure.testing.programs import said, states, talking_graph
from perdure.testing.records import fork, grow, write_records


def line(saver: Saver, branch: str, upto: int) -> list[Record]:
    """Return a branch's whole history up to a seq, its parents' part included, the hash chain verified."""
    found: list[Record] = []
    segments = answer(segments_of("t", branch, upto), saver)
    answer(replay("t", segments, 0, GENESIS, found.append), saver)
    return found


class LineClauses(SaverClauses):
    """Reading through forks, as `perdure.lineage` and graphs do."""

    capability: ClassVar[str] = "fork-equality"

    def test_forks_line_is_its_parents_up_to_the_fork(self, saver: Saver) -> None:
        """At every seq: forks, forks of forks, and forks of what a fork shares with its parent."""
        main = grow(saver, "t", 8)
        f = fork(saver, "f", at=main[4], count=3)
        g = fork(saver, "g", at=f[1], count=2)
        shared = write_records("t", 2, branch="h", after=main[2])
        saver.append("t", "h", expected_seq=3, records=shared, opens=Branch("h", parent="f", fork_seq=3))
        lines = {"main": main, "f": main[:5] + f, "g": main[:5] + f[:2] + g, "h": main[:3] + shared}
        for branch, expected in lines.items():
            for upto in range(1, len(expected) + 1):
                assert unplaced(line(saver, branch, upto)) == expected[:upto]

    def test_shared_part_is_the_same_records(self, saver: Saver) -> None:
        """With their positions: the fork has no copies."""
        main = grow(saver, "t", 5)
        fork(saver, "f", at=main[2], count=4)
        assert line(saver, "f", 3) == line(saver, MAIN_BRANCH, 3) == saver.read("t", MAIN_BRANCH, upto=3)

    def test_what_a_parent_does_later_does_not_show(self, saver: Saver) -> None:
        """Neither in the fork's line, nor the other way round."""
        main = grow(saver, "t", 4)
        f = fork(saver, "f", at=main[2], count=2)
        before = line(saver, "f", 5)
        grow(saver, "t", 3, after=main[-1], note="the parent goes on")
        fork(saver, "g", at=main[2], count=3)
        more = grow(saver, "t", 2, branch="f", after=f[-1], note="the fork goes on")
        assert line(saver, "f", 5) == before
        assert unplaced(line(saver, "f", 7)) == main[:3] + f + more
        assert unplaced(line(saver, MAIN_BRANCH, 4)) == main

    def test_line_beyond_its_end_is_a_gap(self, saver: Saver) -> None:
        """What is not there is missed, not passed over."""
        fork(saver, "f", at=grow(saver, "t", 3)[1])
        with pytest.raises(CorruptEventError):
            line(saver, "f", 4)

    def test_long_line_is_read_in_pages(self, saver: Saver) -> None:
        """Pages of a thousand join on both sides of a fork."""
        main = grow(saver, "t", 1500)
        f = fork(saver, "f", at=main[1200], count=1100)
        assert unplaced(line(saver, "f", 2301)) == main[:1201] + f

    def test_graph_sees_the_same_states_on_both_branches(self, saver: Saver) -> None:
        """A fork's history shows its parent's states up to the fork, before and after both went on."""
        graph = talking_graph(saver)
        thread = graph.thread("t")
        for word in ("one", "two"):
            thread.invoke(said(word))
        main = states(graph, "t", MAIN_BRANCH)
        forked = thread.fork(main[3][0])
        assert forked.branch is not None
        forked.invoke(said("instead"))
        thread.invoke(said("on the fork, which is current now"))
        assert states(graph, "t", MAIN_BRANCH) == main
        beyond = states(graph, "t", forked.branch)
        assert beyond[:4] == main[:4]
        assert beyond[-1][1]["words"][:2] == main[3][1]["words"][:2]
        assert thread.verify()
