"""Several writers as threads of one process: exactly one wins each round, and nobody hinders others."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier
from typing import ClassVar

import pytest

from perdure.chain import GENESIS, link
from perdure.errors import StaleWriterError, ThreadDeletedError
from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Branch, Saver
from perdure.testing.conformance.suite import MakeSaver, SaverClauses, unplaced
from perdure.testing.contender import append_pairs
from perdure.testing.faces import Face
from perdure.testing.records import fork, grow, write_records
from perdure.testing.watching import settled_tail

WRITERS = 4
BRANCHES = 16


def _won(saver: Saver, records: list[Record]) -> bool:
    try:
        saver.append("t", MAIN_BRANCH, expected_seq=records[0].seq - 1, records=records)
    except StaleWriterError:
        return False
    return True


def _play_rounds(savers: list[Saver], rounds: int) -> None:
    barrier = Barrier(len(savers))

    def play(saver: Saver, records: list[Record]) -> bool:
        barrier.wait(30)
        return _won(saver, records)

    with ThreadPoolExecutor(len(savers)) as pool:
        last: Record | None = None
        for _ in range(rounds):
            drafts = [write_records("t", 2, after=last, note=f"writer {number}") for number in range(len(savers))]
            results = list(pool.map(play, savers, drafts))
            assert results.count(True) == 1
            winner = drafts[results.index(True)]
            assert unplaced(savers[0].read("t", MAIN_BRANCH, after=winner[0].seq - 1)) == winner
            last = winner[-1]
    require_chain(savers[0].read("t", MAIN_BRANCH))


def require_chain(records: list[Record]) -> None:
    """Assert that each record follows the one before it."""
    hash = GENESIS
    for record in records:
        hash = link(hash, record)
        assert record.hash == hash


class ThreadClauses(SaverClauses):
    """Writers in several threads."""

    capability: ClassVar[str] = "contention-threads"

    @pytest.fixture(autouse=True)
    def eager_switching(self) -> Iterator[None]:
        """Let the interpreter change threads as often as it can, so that a missing lock shows."""
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        yield
        sys.setswitchinterval(interval)

    def test_one_of_several_threads_wins_each_round(self, make_saver: MakeSaver, face: Face) -> None:
        """Threads that append to one head at once: one succeeds, the others are told, the log is the winner's."""
        with face(make_saver()) as saver:
            _play_rounds([saver] * WRITERS, 30)

    def test_one_of_several_savers_wins_each_round(self, make_saver: MakeSaver, face: Face) -> None:
        """The same with a saver for each thread: what decides is in the storage, not in an object."""
        with ExitStack() as open:
            _play_rounds([open.enter_context(face(make_saver())) for _ in range(WRITERS)], 20)

    def test_two_savers_on_one_storage_contend(self, make_saver: MakeSaver, face: Face) -> None:
        """What one saver appends is at once the other's head."""
        with face(make_saver()) as one, face(make_saver()) as other:
            first = grow(one, "t", 2)
            assert other.head("t") == (MAIN_BRANCH, 2, first[-1].hash)
            second = grow(other, "t", 1, after=first[-1])
            assert not _won(one, write_records("t", 1, after=first[-1], note="late"))
            assert _won(one, write_records("t", 1, after=second[-1]))
            assert len(other.read("t", MAIN_BRANCH)) == 4

    def test_threads_of_their_own_do_not_hinder_each_other(self, make_saver: MakeSaver, face: Face) -> None:
        """Writers on different threads all succeed, and each position is given once."""
        with face(make_saver()) as saver, ThreadPoolExecutor(WRITERS) as pool:
            ids = [f"t{number}" for number in range(WRITERS)]
            positions = [p for given in pool.map(append_pairs, [saver] * WRITERS, ids, [20] * WRITERS) for p in given]
            assert len(set(positions)) == WRITERS * 20
            for thread_id in ids:
                require_chain(saver.read(thread_id, MAIN_BRANCH))
                assert len(saver.read(thread_id, MAIN_BRANCH)) == 40

    def test_branches_of_one_thread_do_not_hinder_each_other(self, make_saver: MakeSaver, face: Face) -> None:
        """Writers on different branches of one thread all succeed, opening them and going on."""
        with face(make_saver()) as saver, ThreadPoolExecutor(BRANCHES) as pool:
            root = grow(saver, "t", 2)[0]

            def play(number: int) -> list[Record]:
                own = fork(saver, f"f{number}", at=root, count=2)
                for _ in range(3):
                    own += grow(saver, "t", branch=f"f{number}", after=own[-1])
                return own

            written = list(pool.map(play, range(BRANCHES)))
            assert [unplaced(saver.read("t", f"f{number}")) for number in range(BRANCHES)] == written
            assert {branch.head_seq for branch in saver.branches("t")} == {2, 6}
            assert len(saver.branches("t")) == BRANCHES + 1

    def test_fork_is_opened_once(self, make_saver: MakeSaver, face: Face) -> None:
        """Threads that open one fork with different records: one succeeds."""
        with face(make_saver()) as saver, ThreadPoolExecutor(WRITERS) as pool:
            root = grow(saver, "t")[0]

            def play(number: int) -> bool:
                records = write_records("t", branch="f", after=root, note=f"writer {number}")
                opens = Branch("f", parent=MAIN_BRANCH, fork_seq=1)
                try:
                    saver.append("t", "f", expected_seq=1, records=records, opens=opens)
                except StaleWriterError:
                    return False
                return True

            assert list(pool.map(play, range(WRITERS))).count(True) == 1
            assert len(saver.read("t", "f")) == 1

    def test_deleting_beats_late_writers(self, make_saver: MakeSaver, face: Face) -> None:
        """Whatever was appended before the deletion is removed by it; nothing gets in after."""

        def write(saver: Saver) -> int:
            try:
                return len(append_pairs(saver, "t", 100_000))
            except ThreadDeletedError:
                return -1

        with face(make_saver()) as saver, ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write, saver)
            while saver.delete_thread("t") == 0:
                assert not writing.done()
            assert writing.result() == -1
            assert [record.kind for record in settled_tail(saver, 1)] == ["ThreadDeleted"]
