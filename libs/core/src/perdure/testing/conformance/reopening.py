"""Savers that outlive an object: what was stored is found again by the next one."""

from typing import ClassVar

import pytest

from perdure.errors import ThreadDeletedError
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver, Snapshot
from perdure.testing.conformance.suite import MakeSaver, SaverClauses
from perdure.testing.faces import Face
from perdure.testing.records import fork, grow
from perdure.testing.watching import settled_tail


class ReopenClauses(SaverClauses):
    """Closing one saver and opening the next on the same storage."""

    capability: ClassVar[str] = "reopening"

    def test_everything_is_found_again(self, make_saver: MakeSaver, face: Face) -> None:
        """Records, positions, branches, snapshots and the list are as they were."""

        def look(saver: Saver) -> list[object]:
            listed = saver.read("t", MAIN_BRANCH), saver.branches("t"), settled_tail(saver, 6), saver.list_threads()
            return [*listed, saver.head("t"), saver.get_snapshot("t", MAIN_BRANCH, upto=9)]

        with face(make_saver()) as saver:
            fork(saver, "f", at=grow(saver, "t", 3)[1], name="named")
            grow(saver, "u", 2)
            saver.put_snapshot("t", Snapshot(MAIN_BRANCH, 3, bytes(32), b"\xff state"))
            before = look(saver)
        with face(make_saver()) as saver:
            assert look(saver) == before

    def test_tombstone_is_found_again(self, make_saver: MakeSaver, face: Face) -> None:
        """A deleted thread stays deleted, and positions go on from where they were."""
        with face(make_saver()) as saver:
            grow(saver, "t", 3)
            saver.delete_thread("t")
            last = settled_tail(saver, 1)[-1].position
        with face(make_saver()) as saver:
            with pytest.raises(ThreadDeletedError):
                saver.head("t")
            grow(saver, "u")
            assert [record.thread_id for record in settled_tail(saver, 1, after=last)] == ["u"]
