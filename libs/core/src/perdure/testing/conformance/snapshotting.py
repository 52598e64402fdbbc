"""Snapshots: a cache beside the log, found from above, replaced in place, dropped without loss."""

from typing import ClassVar

from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver, Snapshot
from perdure.testing.conformance.suite import SaverClauses, unplaced
from perdure.testing.records import fork, grow
from perdure.testing.watching import settled_tail


def _put(saver: Saver, seq: int, payload: bytes = b"{}", branch: str = MAIN_BRANCH) -> Snapshot:
    snapshot = Snapshot(branch, seq, bytes([seq]) * 32, payload)
    saver.put_snapshot("t", snapshot)
    return snapshot


class SnapshotClauses(SaverClauses):
    """`put_snapshot`, `get_snapshot`, `drop_snapshots`."""

    capability: ClassVar[str] = "snapshots"

    def test_newest_not_beyond_is_found(self, saver: Saver) -> None:
        """The newest snapshot with `seq <= upto`."""
        grow(saver, "t", 9)
        two, six = _put(saver, 2), _put(saver, 6, b"\xff\x00 not text")
        assert saver.get_snapshot("t", MAIN_BRANCH, upto=1) is None
        assert saver.get_snapshot("t", MAIN_BRANCH, upto=2) == two
        assert saver.get_snapshot("t", MAIN_BRANCH, upto=5) == two
        assert saver.get_snapshot("t", MAIN_BRANCH, upto=6) == six
        assert saver.get_snapshot("t", MAIN_BRANCH, upto=999) == six

    def test_older_snapshot_may_come_later(self, saver: Saver) -> None:
        """Places decide, not the order of writing."""
        grow(saver, "t", 9)
        six, two = _put(saver, 6), _put(saver, 2)
        assert saver.get_snapshot("t", MAIN_BRANCH, upto=9) == six
        assert saver.get_snapshot("t", MAIN_BRANCH, upto=5) == two

    def test_snapshot_at_the_same_place_replaces(self, saver: Saver) -> None:
        """One place, one snapshot."""
        grow(saver, "t", 3)
        _put(saver, 3, b"old")
        new = _put(saver, 3, b"new")
        assert saver.get_snapshot("t", MAIN_BRANCH, upto=3) == new
        assert saver.drop_snapshots("t") == 1

    def test_branches_have_their_own(self, saver: Saver) -> None:
        """A branch is not asked for its parent's snapshots: that is for those who know about lineage."""
        main = grow(saver, "t", 4)
        fork(saver, "f", at=main[2])
        two = _put(saver, 2)
        assert saver.get_snapshot("t", "f", upto=9) is None
        four = _put(saver, 4, branch="f")
        assert saver.get_snapshot("t", "f", upto=9) == four
        assert saver.get_snapshot("t", MAIN_BRANCH, upto=9) == two

    def test_snapshot_of_nothing_is_ignored(self, saver: Saver) -> None:
        """A snapshot whose thread or branch does not exist is dropped silently, and makes nothing."""
        _put(saver, 1)
        assert saver.get_snapshot("t", MAIN_BRANCH, upto=9) is None
        assert saver.list_threads() == []
        grow(saver, "t")
        _put(saver, 1, branch="nobody")
        assert saver.get_snapshot("t", "nobody", upto=9) is None
        assert saver.drop_snapshots("t") == 0

    def test_dropping_loses_only_snapshots(self, saver: Saver) -> None:
        """All of a thread's snapshots go, on all branches; the log and other threads' snapshots stay."""
        main = grow(saver, "t", 3)
        fork(saver, "f", at=main[0])
        grow(saver, "u", 1)
        _put(saver, 1), _put(saver, 3), _put(saver, 2, branch="f")
        other = Snapshot(MAIN_BRANCH, 1, bytes(32), b"u")
        saver.put_snapshot("u", other)
        assert saver.drop_snapshots("t") == 3
        assert saver.drop_snapshots("t") == 0
        assert saver.drop_snapshots("nobody") == 0
        assert saver.get_snapshot("t", MAIN_BRANCH, upto=9) is None
        assert saver.get_snapshot("u", MAIN_BRANCH, upto=9) == other
        assert unplaced(saver.read("t", MAIN_BRANCH)) == main

    def test_snapshot_writes_no_event(self, saver: Saver) -> None:
        """Snapshots have no position and do not move the head."""
        records = grow(saver, "t", 2)
        _put(saver, 2, b"x" * 100_000)
        grow(saver, "u")
        assert settled_tail(saver, 3) == saver.read("t", MAIN_BRANCH) + saver.read("u", MAIN_BRANCH)
        assert saver.head("t") == (MAIN_BRANCH, 2, records[-1].hash)
