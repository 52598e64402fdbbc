"""Thread ids: any text that every database keeps exactly, and nothing else."""

from typing import ClassVar

import pytest

from perdure.errors import UsageError
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver, Snapshot
from perdure.testing.conformance.suite import SaverClauses, unplaced
from perdure.testing.records import fork, grow
from perdure.testing.watching import settled_tail

ODD = [
    pytest.param(" ", id="a space"),
    pytest.param("1", id="a number"),
    pytest.param("\u00e4\u6f22\U0001f980", id="unicode"),
    pytest.param("e\u0301", id="not normalised"),
    pytest.param("a\r\n\tb\x7f\u202e", id="control characters"),
    pytest.param("'; DROP TABLE threads; --", id="SQL"),
    pytest.param("%_*?[", id="wildcards"),
    pytest.param("x" * 512, id="the longest"),
]
REFUSED = [
    pytest.param("", id="empty"),
    pytest.param("a\0b", id="NUL"),
    pytest.param("a\ud800", id="lone surrogate"),
    pytest.param("x" * 513, id="too long"),
    pytest.param(7, id="no text"),
    pytest.param(None, id="None"),
]


class NameClauses(SaverClauses):
    """What may be a thread id."""

    capability: ClassVar[str] = "thread-ids"

    @pytest.mark.parametrize("thread_id", ODD)
    def test_odd_ids_are_ids(self, saver: Saver, thread_id: str) -> None:
        """Every operation finds the thread under exactly this id."""
        records = grow(saver, thread_id, 2)
        fork(saver, "f", at=records[0])
        saver.put_snapshot(thread_id, Snapshot(MAIN_BRANCH, 2, bytes(32), b"{}"))
        assert unplaced(saver.read(thread_id, MAIN_BRANCH)) == records
        assert saver.head(thread_id) == (MAIN_BRANCH, 2, records[-1].hash)
        assert [branch.id for branch in saver.branches(thread_id)] == [MAIN_BRANCH, "f"]
        assert [thread.thread_id for thread in saver.list_threads()] == [thread_id]
        assert {record.thread_id for record in settled_tail(saver, 3)} == {thread_id}
        assert saver.drop_snapshots(thread_id) == 1
        assert saver.delete_thread(thread_id) == 3

    def test_ids_that_look_alike_are_different(self, saver: Saver) -> None:
        """No case folding, no trimming, no normalising, no numbers."""
        alike = ["a", "A", "a ", "1", "01", "1.0", "e\u0301", "\u00e9"]
        for thread_id in alike:
            grow(saver, thread_id, note=thread_id)
        assert [thread.thread_id for thread in saver.list_threads()] == sorted(alike)
        assert len({record.hash for record in settled_tail(saver, len(alike))}) == len(alike)

    @pytest.mark.parametrize("branch", ODD)
    def test_odd_branches_are_branches(self, saver: Saver, branch: str) -> None:
        """A branch's id and its name are kept as exactly."""
        main = grow(saver, "t", 2)
        own = fork(saver, branch, at=main[0], name=branch)
        inner = fork(saver, f"{branch[:500]}+", at=own[0], name="")
        found = [(one.id, one.parent, one.name) for one in saver.branches("t")]
        assert found == [(MAIN_BRANCH, None, None), (branch, MAIN_BRANCH, branch), (inner[0].branch, branch, "")]
        assert unplaced(saver.read("t", branch)) == own
        assert saver.head("t", branch) == (branch, 2, own[0].hash)

    @pytest.mark.parametrize("thread_id", REFUSED)
    def test_what_is_no_id_is_refused_everywhere(self, saver: Saver, thread_id: str) -> None:
        """A wrong id is an error at every door, not an empty answer."""
        with pytest.raises(UsageError):
            saver.read(thread_id, MAIN_BRANCH)
        with pytest.raises(UsageError):
            saver.head(thread_id)
        with pytest.raises(UsageError):
            saver.branches(thread_id)
        with pytest.raises(UsageError):
            saver.get_snapshot(thread_id, MAIN_BRANCH, upto=1)
        with pytest.raises(UsageError):
            saver.put_snapshot(thread_id, Snapshot(MAIN_BRANCH, 1, bytes(32), b"{}"))
        with pytest.raises(UsageError):
            saver.drop_snapshots(thread_id)
        with pytest.raises(UsageError):
            saver.delete_thread(thread_id)

    @pytest.mark.parametrize("thread_id", [param for param in REFUSED if param.id != "lone surrogate"])
    def test_what_is_no_id_begins_no_thread(self, saver: Saver, thread_id: str) -> None:
        """Nothing is written under a wrong id."""
        with pytest.raises(UsageError):
            grow(saver, thread_id)
        grow(saver, "t")
        assert [record.thread_id for record in settled_tail(saver, 1)] == ["t"]
