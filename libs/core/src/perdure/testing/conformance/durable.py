"""Savers that outlive an object: what was stored is found again, and other processes are writers like any other."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import orjson
import pytest

from perdure.errors import ThreadDeletedError
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver, Snapshot
from perdure.testing.conformance.contending import require_chain
from perdure.testing.conformance.suite import MakeSaver, SaverClauses
from perdure.testing.contender import contend, first_touch, work
from perdure.testing.faces import Face
from perdure.testing.records import fork, grow

PROCESSES = 3


class ReopenClauses(SaverClauses):
    """Closing one saver and opening the next on the same storage."""

    def test_everything_is_found_again(self, make_saver: MakeSaver, face: Face) -> None:
        """Records, positions, branches, snapshots and the list are as they were."""

        def look(saver: Saver) -> list[object]:
            listed = saver.read("t", MAIN_BRANCH), saver.branches("t"), saver.tail(), saver.list_threads()
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
            last = saver.tail()[-1].position
        with face(make_saver()) as saver:
            with pytest.raises(ThreadDeletedError):
                saver.head("t")
            grow(saver, "u")
            assert saver.tail(after=last)[0].position > last


class ProcessClauses:
    """Several processes at once. A subclass has a fixture `connect`: a picklable function that opens the storage."""

    @pytest.fixture
    def pool(self) -> ProcessPoolExecutor:
        """Return processes that begin as fresh interpreters."""
        return ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn"))

    def test_one_process_wins_each_seq(
        self, make_saver: MakeSaver, connect: Callable[[], Saver], pool: ProcessPoolExecutor
    ) -> None:
        """Processes that append to one thread: each success stands once, in one unbroken chain."""
        notes = [f"process {number}" for number in range(PROCESSES)]
        with pool:
            each = [connect] * PROCESSES, ["t"] * PROCESSES, [200] * PROCESSES, notes, [PROCESSES] * PROCESSES
            lost = sum(pool.map(contend, *each))
        with make_saver() as saver:
            records = saver.read("t", MAIN_BRANCH)
        assert lost > 0
        require_chain(records)
        written = [orjson.loads(record.payload)["note"] for record in records]
        assert {note: written.count(note) for note in notes} == dict.fromkeys(notes, 200)

    def test_processes_on_threads_of_their_own_all_succeed(
        self, make_saver: MakeSaver, connect: Callable[[], Saver], pool: ProcessPoolExecutor
    ) -> None:
        """No writer is refused for the sake of another, and each position is given once."""
        ids = [f"t{number}" for number in range(PROCESSES)]
        with pool:
            each = [connect] * PROCESSES, ids, [300] * PROCESSES, [PROCESSES] * PROCESSES
            given = list(pool.map(work, *each))
        assert len({position for positions in given for position in positions}) == PROCESSES * 300
        with make_saver() as saver:
            for thread_id in ids:
                require_chain(saver.read(thread_id, MAIN_BRANCH))

    def test_processes_that_begin_at_once_on_empty_storage(
        self, make_saver: MakeSaver, connect: Callable[[], Saver], pool: ProcessPoolExecutor
    ) -> None:
        """Each may be the one that creates the schema."""
        ids = [f"t{number}" for number in range(PROCESSES)]
        with pool:
            positions = list(pool.map(first_touch, [connect] * PROCESSES, ids))
        assert len(set(positions)) == PROCESSES
        with make_saver() as saver:
            assert [thread.thread_id for thread in saver.list_threads()] == ids
