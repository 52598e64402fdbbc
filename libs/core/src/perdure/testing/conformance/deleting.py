"""Deleting a thread: everything goes, a tombstone stays, late writers are refused, no position is used again."""

from typing import ClassVar

import orjson
import pytest

from perdure.chain import link
from perdure.errors import ThreadDeletedError, UsageError
from perdure.ids import MAIN_BRANCH
from perdure.ports import Branch, Saver, Snapshot
from perdure.testing.conformance.suite import SaverClauses
from perdure.testing.records import fork, grow, write_records
from perdure.testing.watching import settled_tail


class DeleteClauses(SaverClauses):
    """`delete_thread` and what it leaves."""

    capability: ClassVar[str] = "deletion"

    def test_all_events_go_and_are_counted(self, saver: Saver) -> None:
        """The events of every branch are removed; other threads are not touched."""
        main = grow(saver, "t", 3)
        fork(saver, "f", at=main[1], count=2)
        grow(saver, "u", 2)
        assert saver.delete_thread("t") == 5
        assert saver.read("t", "f") == []
        assert [thread.thread_id for thread in saver.list_threads()] == ["u"]
        assert [(record.thread_id, record.seq) for record in settled_tail(saver, 3)] == [("u", 1), ("u", 2), ("t", 4)]
        assert len(saver.read("u", MAIN_BRANCH)) == 2

    def test_tombstone_says_what_was_removed(self, saver: Saver) -> None:
        """The tombstone stands on `main` after the old head, chained to it."""
        main = grow(saver, "t", 3)
        saver.delete_thread("t", actor="ada", reason="asked to be forgotten")
        (stone,) = saver.read("t", MAIN_BRANCH)
        assert (stone.kind, stone.seq, stone.actor, stone.version) == ("ThreadDeleted", 4, "ada", 1)
        assert orjson.loads(stone.payload) == {"removed": 3, "reason": "asked to be forgotten"}
        assert stone.hash == link(main[-1].hash, stone)
        assert stone.recorded_at > 1_600_000_000_000_000

    def test_tombstone_is_the_newest_event(self, saver: Saver) -> None:
        """Those who follow the saver's tail see the deletion."""
        grow(saver, "t", 2)
        last = settled_tail(saver, 2)[-1].position
        saver.delete_thread("t")
        assert [record.kind for record in settled_tail(saver, 1, after=last)] == ["ThreadDeleted"]

    def test_no_position_is_used_twice(self, saver: Saver) -> None:
        """Not even when the newest thread is deleted, again and again."""
        given: list[int] = []
        for number in range(4):
            thread_id = f"t{number}"
            given.append(saver.append(thread_id, MAIN_BRANCH, expected_seq=0, records=write_records(thread_id, 2)))
            saver.delete_thread(thread_id)
            given.append(saver.read(thread_id, MAIN_BRANCH)[0].position)
        assert given == sorted(set(given))

    def test_late_append_is_refused(self, saver: Saver) -> None:
        """Neither the next event, nor a retry, nor a new beginning is taken."""
        records = grow(saver, "t", 2)
        saver.delete_thread("t")
        for late in (write_records("t", after=records[-1]), records, write_records("t", note="anew")):
            with pytest.raises(ThreadDeletedError):
                saver.append("t", MAIN_BRANCH, expected_seq=late[0].seq - 1, records=late)
        assert len(saver.read("t", MAIN_BRANCH)) == 1

    def test_append_after_the_tombstone_is_refused(self, saver: Saver) -> None:
        """Who read the tombstone cannot go on from it."""
        grow(saver, "t", 2)
        saver.delete_thread("t")
        stone = saver.read("t", MAIN_BRANCH)[0]
        with pytest.raises(ThreadDeletedError):
            grow(saver, "t", after=stone)

    def test_late_fork_is_refused(self, saver: Saver) -> None:
        """Neither a new fork nor an event on an old one is taken."""
        main = grow(saver, "t", 2)
        own = fork(saver, "f", at=main[0])
        saver.delete_thread("t")
        with pytest.raises(ThreadDeletedError):
            fork(saver, "g", at=main[0])
        with pytest.raises(ThreadDeletedError):
            grow(saver, "t", branch="f", after=own[0])
        assert saver.branches("t") == []

    def test_late_snapshot_is_ignored(self, saver: Saver) -> None:
        """Snapshots go with the thread, and none comes back."""
        grow(saver, "t", 2)
        snapshot = Snapshot(MAIN_BRANCH, 2, bytes(32), b"state")
        saver.put_snapshot("t", snapshot)
        saver.delete_thread("t")
        assert saver.get_snapshot("t", MAIN_BRANCH, upto=9) is None
        saver.put_snapshot("t", snapshot)
        assert saver.get_snapshot("t", MAIN_BRANCH, upto=9) is None
        assert saver.drop_snapshots("t") == 0

    def test_head_of_a_deleted_thread_is_refused(self, saver: Saver) -> None:
        """A reader is told that the thread is gone for good, not that it is new."""
        grow(saver, "t", 2)
        saver.delete_thread("t")
        for branch in (None, MAIN_BRANCH, "f"):
            with pytest.raises(ThreadDeletedError):
                saver.head("t", branch)

    def test_deleting_nothing_does_nothing(self, saver: Saver) -> None:
        """Unknown and deleted threads: 0, no second tombstone."""
        assert saver.delete_thread("nobody") == 0
        grow(saver, "t", 2)
        assert saver.delete_thread("t") == 2
        assert saver.delete_thread("t") == 0
        grow(saver, "u")
        assert [record.thread_id for record in settled_tail(saver, 2)] == ["t", "u"]

    def test_deleting_while_a_fork_is_current(self, saver: Saver) -> None:
        """The tombstone stands on `main`, whichever branch was current."""
        main = grow(saver, "t", 3)
        records = write_records("t", 4, branch="f", after=main[0])
        opens = Branch("f", parent=MAIN_BRANCH, fork_seq=1)
        saver.append("t", "f", expected_seq=1, records=records, opens=opens, current="becomes")
        assert saver.delete_thread("t") == 7
        (stone,) = saver.read("t", MAIN_BRANCH)
        assert (stone.seq, stone.hash) == (4, link(main[-1].hash, stone))

    def test_new_branch_takes_nothing_from_a_deleted_one(self, saver: Saver) -> None:
        """Whatever numbers a store gives to branches, a new one starts empty."""
        main = grow(saver, "t", 2)
        fork(saver, "f", at=main[0], count=3)
        saver.put_snapshot("t", Snapshot("f", 3, bytes(32), b"old"))
        saver.delete_thread("t")
        own = fork(saver, "f", at=grow(saver, "u", 2)[0])
        assert [record.hash for record in saver.read("u", "f")] == [own[0].hash]
        assert saver.get_snapshot("u", "f", upto=9) is None

    def test_text_that_is_no_text_is_refused(self, saver: Saver) -> None:
        """A reason that cannot be stored is refused before anything is removed."""
        grow(saver, "t", 2)
        with pytest.raises(UsageError):
            saver.delete_thread("t", reason="\ud800")
        assert len(saver.read("t", MAIN_BRANCH)) == 2
