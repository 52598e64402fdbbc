"""Reading: windows of one branch, by seq, by kind, from either end; and heads."""

from typing import ClassVar

import pytest

from perdure.events import Kind, Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver
from perdure.testing.conformance.suite import SaverClauses, unplaced
from perdure.testing.records import BLANK, fork, grow, write_records


def _seqs(records: list[Record]) -> list[int]:
    return [record.seq for record in records]


class ReadClauses(SaverClauses):
    """`read` and `head`."""

    capability: ClassVar[str] = "reading"

    @pytest.mark.parametrize(
        ("after", "upto", "limit", "expected"),
        [
            (0, None, None, [1, 2, 3, 4, 5]),
            (2, None, None, [3, 4, 5]),
            (0, 3, None, [1, 2, 3]),
            (1, 4, None, [2, 3, 4]),
            (1, 4, 2, [2, 3]),
            (0, None, 0, []),
            (5, None, None, []),
            (3, 3, None, []),
            (4, 2, None, []),
            (0, 99, 99, [1, 2, 3, 4, 5]),
        ],
    )
    def test_window(self, saver: Saver, after: int, upto: int | None, limit: int | None, expected: list[int]) -> None:
        """`after < seq <= upto`, at most `limit`; from the newest back, the limit keeps the newest."""
        grow(saver, "t", 5)
        assert _seqs(saver.read("t", MAIN_BRANCH, after=after, upto=upto, limit=limit)) == expected
        everything = _seqs(saver.read("t", MAIN_BRANCH, after=after, upto=upto))
        newest = saver.read("t", MAIN_BRANCH, after=after, upto=upto, limit=limit, newest_first=True)
        assert _seqs(newest) == everything[::-1][: len(expected)]

    def test_fork_is_read_by_its_own_seqs(self, saver: Saver) -> None:
        """A fork's records go on from the fork point; its parent's are not among them."""
        main = grow(saver, "t", 4)
        own = fork(saver, "f", at=main[1], count=3)
        assert unplaced(saver.read("t", "f")) == own
        assert _seqs(saver.read("t", "f", after=3)) == [4, 5]
        assert _seqs(saver.read("t", "f", upto=3)) == [3]
        assert _seqs(saver.read("t", "f", upto=2)) == []
        assert unplaced(saver.read("t", MAIN_BRANCH)) == main

    def test_kinds_are_chosen_before_the_limit(self, saver: Saver) -> None:
        """`kinds` narrows the window; `limit` counts what is left."""
        last = None
        for kind in (Kind.RUN_STARTED, Kind.CALL_RECORDED, Kind.STEP_COMMITTED, Kind.CALL_RECORDED, Kind.RUN_FINISHED):
            records = write_records("t", after=last, like=BLANK._replace(kind=kind.value))
            saver.append("t", MAIN_BRANCH, expected_seq=records[0].seq - 1, records=records)
            last = records[0]
        assert _seqs(saver.read("t", MAIN_BRANCH, kinds=["CallRecorded"])) == [2, 4]
        assert _seqs(saver.read("t", MAIN_BRANCH, kinds=["CallRecorded"], limit=1, newest_first=True)) == [4]
        assert _seqs(saver.read("t", MAIN_BRANCH, kinds=["RunFinished", "RunStarted"], after=1)) == [5]
        assert saver.read("t", MAIN_BRANCH, kinds=["Forked"]) == []
        assert saver.read("t", MAIN_BRANCH, kinds=[]) == []

    def test_unknown_places_are_empty(self, saver: Saver) -> None:
        """Reading what does not exist finds nothing and makes nothing."""
        assert saver.read("nobody", MAIN_BRANCH) == []
        assert saver.head("nobody") is None
        assert saver.head("nobody", MAIN_BRANCH) is None
        grow(saver, "t")
        assert saver.read("t", "no-branch") == []
        assert saver.head("t", "no-branch") is None
        assert [thread.thread_id for thread in saver.list_threads()] == ["t"]

    def test_head_says_where_a_branch_stands(self, saver: Saver) -> None:
        """The head is the last record's seq and hash, for each branch its own."""
        main = grow(saver, "t", 3)
        own = fork(saver, "f", at=main[0])
        assert saver.head("t") == (MAIN_BRANCH, 3, main[-1].hash)
        assert saver.head("t", MAIN_BRANCH) == (MAIN_BRANCH, 3, main[-1].hash)
        assert saver.head("t", "f") == ("f", 2, own[-1].hash)

    def test_what_was_read_is_the_readers(self, saver: Saver) -> None:
        """Changing a returned list changes nothing that is stored."""
        records = grow(saver, "t", 2)
        saver.read("t", MAIN_BRANCH).clear()
        saver.tail().clear()
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records
