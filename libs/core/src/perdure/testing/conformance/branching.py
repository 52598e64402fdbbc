"""Branches: a fork is a row and its first records, opened in one append; one branch of a thread is current."""

from typing import ClassVar

import pytest

from perdure.errors import StaleWriterError, UsageError
from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Branch, Saver
from perdure.testing.conformance.suite import SaverClauses
from perdure.testing.records import fork, grow, write_records


class BranchClauses(SaverClauses):
    """`opens`, `branches`, and the current branch."""

    capability: ClassVar[str] = "branching"

    def test_main_is_the_first_branch(self, saver: Saver) -> None:
        """A thread begins with `main`, which has no parent."""
        position = saver.append("t", MAIN_BRANCH, expected_seq=0, records=write_records("t", 2))
        assert saver.branches("t") == [Branch(MAIN_BRANCH, None, 0, None, 2, position)]
        assert saver.branches("nobody") == []

    def test_fork_keeps_what_it_was_opened_with(self, saver: Saver) -> None:
        """Parent, fork seq and name come back, with the head and position of the fork's own last record."""
        main = grow(saver, "t", 3)
        records = write_records("t", 2, branch="f", after=main[1])
        opens = Branch("f", parent=MAIN_BRANCH, fork_seq=2, name="what if")
        position = saver.append("t", "f", expected_seq=2, records=records, opens=opens)
        assert saver.branches("t")[1] == Branch("f", MAIN_BRANCH, 2, "what if", 4, position)

    def test_forks_of_forks_stand_after_their_parents(self, saver: Saver) -> None:
        """Branches are listed parents first, whatever their ids."""
        main = grow(saver, "t", 2)
        z = fork(saver, "z", at=main[1], count=2)
        m = fork(saver, "m", at=z[0], count=1)
        fork(saver, "a", at=m[0], count=1)
        found = [(branch.id, branch.parent, branch.fork_seq, branch.head_seq) for branch in saver.branches("t")]
        assert found == [("main", None, 0, 2), ("z", "main", 2, 4), ("m", "z", 3, 4), ("a", "m", 4, 5)]

    def test_branches_grow_apart(self, saver: Saver) -> None:
        """Two branches of one thread take appends with the same seqs, and neither hinders the other."""
        main = grow(saver, "t", 2)
        own = fork(saver, "f", at=main[1])
        grow(saver, "t", 2, after=main[-1], note="main goes on")
        grow(saver, "t", 3, branch="f", after=own[-1], note="so does the fork")
        assert [branch.head_seq for branch in saver.branches("t")] == [4, 6]

    def test_fork_at_the_very_beginning(self, saver: Saver) -> None:
        """A fork at 0 shares nothing with its parent."""
        grow(saver, "t", 2)
        records = write_records("t", 2, branch="f", note="anew")
        saver.append("t", "f", expected_seq=0, records=records, opens=Branch("f", parent=MAIN_BRANCH, fork_seq=0))
        assert [record.seq for record in saver.read("t", "f")] == [1, 2]

    def test_retried_fork_succeeds_once(self, saver: Saver) -> None:
        """Opening a fork again with the same records is a success, also when it has grown meanwhile."""
        main = grow(saver, "t", 2)
        own = fork(saver, "f", at=main[1], count=2)
        assert fork(saver, "f", at=main[1], count=2) == own
        grow(saver, "t", branch="f", after=own[-1])
        assert fork(saver, "f", at=main[1], count=2) == own
        assert [branch.id for branch in saver.branches("t")] == [MAIN_BRANCH, "f"]
        assert len(saver.read("t", "f")) == 3

    def test_fork_that_exists_with_other_records_is_refused(self, saver: Saver) -> None:
        """Two writers that open one fork: the second is stale."""
        main = grow(saver, "t", 2)
        own = fork(saver, "f", at=main[1])
        other = write_records("t", branch="f", after=main[1], note="another")
        with pytest.raises(StaleWriterError):
            saver.append("t", "f", expected_seq=2, records=other, opens=Branch("f", parent=MAIN_BRANCH, fork_seq=2))
        assert saver.head("t", "f") == ("f", 3, own[0].hash)

    def test_open_branch_cannot_be_opened_at_its_head(self, saver: Saver) -> None:
        """An append that goes on from a fork's head does not open it."""
        main = grow(saver, "t", 2)
        own = fork(saver, "f", at=main[1])
        more = write_records("t", branch="f", after=own[0])
        with pytest.raises(UsageError):
            saver.append("t", "f", expected_seq=3, records=more, opens=Branch("f", parent=MAIN_BRANCH, fork_seq=3))
        assert saver.head("t", "f") == ("f", 3, own[0].hash)

    @pytest.mark.parametrize(
        "opens",
        [
            pytest.param(None, id="not opened"),
            pytest.param(Branch("f", parent="nobody", fork_seq=2), id="unknown parent"),
            pytest.param(Branch("f", parent="f", fork_seq=2), id="its own parent"),
            pytest.param(Branch("f", parent=None, fork_seq=2), id="no parent"),
            pytest.param(Branch("g", parent="main", fork_seq=2), id="another id"),
            pytest.param(Branch("f", parent="main", fork_seq=1), id="another fork seq"),
        ],
    )
    def test_fork_that_cannot_be_is_a_usage_error(self, saver: Saver, opens: Branch | None) -> None:
        """A fork needs a description that fits the append, and a parent that exists."""
        main = grow(saver, "t", 2)
        records = write_records("t", branch="f", after=main[1])
        with pytest.raises(UsageError):
            saver.append("t", "f", expected_seq=2, records=records, opens=opens)
        assert [branch.id for branch in saver.branches("t")] == [MAIN_BRANCH]

    def test_fork_beyond_its_parents_end_is_a_usage_error(self, saver: Saver) -> None:
        """What is not there yet cannot be shared."""
        line = write_records("t", 5)
        saver.append("t", MAIN_BRANCH, expected_seq=0, records=line[:2])
        with pytest.raises(UsageError):
            fork(saver, "f", at=line[4])
        assert len(saver.branches("t")) == 1

    def test_fork_of_an_unknown_thread_is_a_usage_error(self, saver: Saver) -> None:
        """A thread begins on `main`."""
        with pytest.raises(UsageError):
            fork(saver, "f", at=write_records("t")[0])
        with pytest.raises(UsageError):
            grow(saver, "t", branch="f")
        assert saver.list_threads() == []

    def test_same_branch_id_in_two_threads(self, saver: Saver) -> None:
        """Branch ids are a thread's own."""
        for thread_id in ("t", "u"):
            fork(saver, "f", at=grow(saver, thread_id, 2, note=thread_id)[1])
        assert saver.head("t", "f") != saver.head("u", "f")
        assert len(saver.branches("t")) == len(saver.branches("u")) == 2

    def test_current_branch_is_the_one_last_said(self, saver: Saver) -> None:
        """`main` is current until an append says otherwise, and can be again."""
        main = grow(saver, "t", 2)
        own = fork(saver, "f", at=main[1])
        assert saver.head("t") == (MAIN_BRANCH, 2, main[1].hash)
        more = write_records("t", branch="f", after=own[0])
        saver.append("t", "f", expected_seq=3, records=more, current="becomes")
        assert saver.head("t") == ("f", 4, more[0].hash)
        back = write_records("t", after=main[1], note="back")
        saver.append("t", MAIN_BRANCH, expected_seq=2, records=back, current="becomes")
        assert saver.head("t") == (MAIN_BRANCH, 3, back[0].hash)

    def test_fork_can_be_current_from_its_first_append(self, saver: Saver) -> None:
        """Opening and making current is one append."""
        main = grow(saver, "t", 2)
        records = write_records("t", branch="f", after=main[0])
        opens = Branch("f", parent=MAIN_BRANCH, fork_seq=1)
        saver.append("t", "f", expected_seq=1, records=records, opens=opens, current="becomes")
        assert saver.head("t") == ("f", 2, records[0].hash)

    def test_append_to_what_is_current_is_refused_when_it_is_not(self, saver: Saver) -> None:
        """Who takes its branch for the current one is stale once another is, although the seq fits."""
        main = grow(saver, "t", 2)
        fork(saver, "f", at=main[1])
        more = write_records("t", after=main[1])
        saver.append("t", MAIN_BRANCH, expected_seq=2, records=more, current="stays")
        saver.append("t", "f", expected_seq=3, records=self._beyond(saver), current="becomes")
        late = write_records("t", after=more[0])
        with pytest.raises(StaleWriterError, match="'f'") as refused:
            saver.append("t", MAIN_BRANCH, expected_seq=3, records=late, current="stays")
        assert refused.value.current == "f"
        assert saver.head("t", MAIN_BRANCH) == (MAIN_BRANCH, 3, more[0].hash)

    @staticmethod
    def _beyond(saver: Saver) -> list[Record]:
        (last,) = saver.read("t", "f", newest_first=True, limit=1)
        return write_records("t", branch="f", after=last)

    def test_refused_append_leaves_the_current_branch(self, saver: Saver) -> None:
        """What was refused changed nothing."""
        main = grow(saver, "t", 3)
        fork(saver, "f", at=main[0])
        late = write_records("t", branch="f", after=main[0], note="late")
        with pytest.raises(StaleWriterError):
            saver.append("t", "f", expected_seq=1, records=late, current="becomes")
        assert saver.head("t") == (MAIN_BRANCH, 3, main[2].hash)
