"""A saver's life: used directly or in a `with`, closed once or twice, and of no use afterwards."""

import asyncio
from collections.abc import Callable
from typing import ClassVar

import pytest

from perdure.errors import ClosedError
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver, Snapshot
from perdure.testing.conformance.suite import MakeSaver, SaverClauses, unplaced
from perdure.testing.faces import Face
from perdure.testing.records import grow

OPERATIONS: dict[str, Callable[[Saver], object]] = {
    "append": lambda saver: grow(saver, "t"),
    "read": lambda saver: saver.read("t", MAIN_BRANCH),
    "head": lambda saver: saver.head("t"),
    "branches": lambda saver: saver.branches("t"),
    "tail": lambda saver: saver.tail(),
    "put_snapshot": lambda saver: saver.put_snapshot("t", Snapshot(MAIN_BRANCH, 1, bytes(32), b"")),
    "get_snapshot": lambda saver: saver.get_snapshot("t", MAIN_BRANCH, upto=1),
    "drop_snapshots": lambda saver: saver.drop_snapshots("t"),
    "list_threads": lambda saver: saver.list_threads(),
    "delete_thread": lambda saver: saver.delete_thread("t"),
    "setup": lambda saver: saver.setup(),
}


class LifeClauses(SaverClauses):
    """Context managers, `setup`, `close`."""

    capability: ClassVar[str] = "life-cycle"

    def test_works_without_setup_and_without_with(self, make_saver: MakeSaver, face: Face) -> None:
        """A saver is usable as it is; the schema makes itself."""
        saver = face(make_saver())
        records = grow(saver, "t", 2)
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records
        saver.close()

    def test_context_managers_yield_the_saver_itself(self, make_saver: MakeSaver) -> None:
        """`with` and `async with` are for closing, nothing else."""
        saver = make_saver()
        with saver as entered:
            assert entered is saver

        async def session() -> None:
            saver = make_saver()
            async with saver as entered:
                assert entered is saver
            with pytest.raises(ClosedError):
                await saver.ahead("t")

        asyncio.run(session())
        with pytest.raises(ClosedError):
            saver.head("t")

    def test_setup_may_be_repeated(self, saver: Saver) -> None:
        """`setup` on what is set up changes nothing."""
        saver.setup()
        records = grow(saver, "t")
        saver.setup()
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records

    def test_close_may_be_repeated(self, make_saver: MakeSaver, face: Face) -> None:
        """Closing twice is closing; a saver that was never used can be closed, too."""
        saver = face(make_saver())
        saver.close()
        saver.close()
        used = face(make_saver())
        with pytest.raises(ClosedError):
            saver.head("t")
        used.close()

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_closed_saver_refuses(self, make_saver: MakeSaver, face: Face, operation: str) -> None:
        """Every operation on a closed saver says that it is closed."""
        saver = face(make_saver())
        grow(saver, "t")
        saver.close()
        with pytest.raises(ClosedError):
            OPERATIONS[operation](saver)

    def test_both_faces_of_one_saver(self, make_saver: MakeSaver) -> None:
        """Sync and async calls may be mixed: one object, one log."""
        with make_saver() as saver:
            first = grow(saver, "t", 2)

            async def session() -> None:
                assert unplaced(await saver.aread("t", MAIN_BRANCH)) == first
                assert unplaced(saver.read("t", MAIN_BRANCH)) == first
                assert await saver.adelete_thread("t") == 2

            asyncio.run(session())
            assert saver.delete_thread("t") == 0
