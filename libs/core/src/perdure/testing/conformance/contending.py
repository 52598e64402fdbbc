"""Several writers in one process, as threads and as tasks: exactly one wins each round, and nobody hinders others."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from perdure.chain import GENESIS, link
from perdure.errors import StaleWriterError, ThreadDeletedError
from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Branch, Saver
from perdure.testing.conformance.suite import MakeSaver, SaverClauses, unplaced
from perdure.testing.contender import append_pairs
from perdure.testing.faces import Face
from perdure.testing.records import grow, write_records

WRITERS = 4


def _won(saver: Saver, records: list[Record]) -> bool:
    try:
        saver.append("t", MAIN_BRANCH, expected_seq=records[0].seq - 1, records=records)
    except StaleWriterError:
        return False
    return True


def require_chain(records: list[Record]) -> None:
    """Assert that each record follows the one before it."""
    hash = GENESIS
    for record in records:
        hash = link(hash, record)
        assert record.hash == hash


class ThreadClauses(SaverClauses):
    """Writers in several threads."""

    @pytest.fixture(autouse=True)
    def eager_switching(self) -> Iterator[None]:
        """Let the interpreter change threads as often as it can, so that a missing lock shows."""
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        yield
        sys.setswitchinterval(interval)

    def test_one_of_several_threads_wins_each_round(self, make_saver: MakeSaver, face: Face) -> None:
        """Threads that append to one head at once: one succeeds, the others are told, the log is the winner's."""
        barrier = Barrier(WRITERS)

        def play(saver: Saver, records: list[Record]) -> bool:
            barrier.wait(30)
            return _won(saver, records)

        with face(make_saver()) as saver, ThreadPoolExecutor(WRITERS) as pool:
            last: Record | None = None
            for _ in range(30):
                drafts = [write_records("t", 2, after=last, note=f"writer {number}") for number in range(WRITERS)]
                results = list(pool.map(play, [saver] * WRITERS, drafts))
                assert results.count(True) == 1
                winner = drafts[results.index(True)]
                assert unplaced(saver.read("t", MAIN_BRANCH, after=winner[0].seq - 1)) == winner
                last = winner[-1]
            require_chain(saver.read("t", MAIN_BRANCH))

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
            assert [record.kind for record in saver.tail()] == ["ThreadDeleted"]


def _run(make_saver: MakeSaver, play: Callable[[Saver], Coroutine[None, None, None]]) -> None:
    async def session() -> None:
        async with make_saver() as saver:
            await play(saver)

    asyncio.run(session())


async def _attempt(saver: Saver, records: list[Record]) -> bool:
    seq = records[0].seq - 1
    try:
        await saver.aappend(records[0].thread_id, MAIN_BRANCH, expected_seq=seq, records=records)
    except StaleWriterError:
        return False
    return True


class TaskClauses:
    """Writers in several tasks of one event loop. (The async face only.)"""

    def test_one_of_several_tasks_wins_each_round(self, make_saver: MakeSaver) -> None:
        """Tasks that append to one head at once: one succeeds, the others are told."""

        async def play(saver: Saver) -> None:
            last: Record | None = None
            for _ in range(10):
                drafts = [write_records("t", 2, after=last, note=f"task {number}") for number in range(8)]
                results = await asyncio.gather(*(_attempt(saver, draft) for draft in drafts))
                assert results.count(True) == 1
                winner = drafts[results.index(True)]
                assert unplaced(await saver.aread("t", MAIN_BRANCH, after=winner[0].seq - 1)) == winner
                last = winner[-1]

        _run(make_saver, play)

    def test_conflict_fails_only_its_own_append(self, make_saver: MakeSaver) -> None:
        """Appends that are committed together stand and fall alone."""

        async def play(saver: Saver) -> None:
            await saver.aappend("t0", MAIN_BRANCH, expected_seq=0, records=write_records("t0", 1))
            drafts = [write_records(f"t{number // 2}", 2, note=f"{number}") for number in range(40)]
            results = await asyncio.gather(*(_attempt(saver, draft) for draft in drafts))
            assert results.count(True) == 19
            for number in range(1, 20):
                require_chain(await saver.aread(f"t{number}", MAIN_BRANCH))
                assert len(await saver.aread(f"t{number}", MAIN_BRANCH)) == 2
            assert len(await saver.aread("t0", MAIN_BRANCH)) == 1

        _run(make_saver, play)

    def test_tasks_of_their_own_threads_all_succeed(self, make_saver: MakeSaver) -> None:
        """Many tasks at once: nobody is refused, each position is given once, reads go on meanwhile."""

        async def grow_alone(saver: Saver, thread_id: str) -> None:
            last: Record | None = None
            for _ in range(5):
                records = write_records(thread_id, 2, after=last)
                assert await _attempt(saver, records)
                last = records[-1]
                head = await saver.ahead(thread_id)
                assert head is not None
                assert head.hash == last.hash

        async def play(saver: Saver) -> None:
            await asyncio.gather(*(grow_alone(saver, f"t{number}") for number in range(50)))
            tail = await saver.atail(limit=1000)
            assert len({record.position for record in tail}) == len(tail) == 500

        _run(make_saver, play)

    def test_cancelled_append_is_whole_or_absent(self, make_saver: MakeSaver) -> None:
        """Whoever stops waiting leaves a thread that can go on, with all of the records or none."""

        async def play(saver: Saver) -> None:
            records = write_records("t", 3)
            for pause in (0, 0, 0.0001, 0.001):
                waiting = asyncio.create_task(_attempt(saver, records))
                await asyncio.sleep(pause)
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
                assert len(await saver.aread("t", MAIN_BRANCH)) in (0, 3)
            assert await _attempt(saver, records)
            assert unplaced(await saver.aread("t", MAIN_BRANCH)) == records

        _run(make_saver, play)

    def test_closing_serves_what_was_asked_before(self, make_saver: MakeSaver) -> None:
        """Appends that wait when the saver is closed are committed, not dropped."""

        async def play(saver: Saver) -> None:
            waiting = [asyncio.create_task(_attempt(saver, write_records(f"t{number}"))) for number in range(20)]
            await asyncio.sleep(0)
            await saver.aclose()
            assert await asyncio.gather(*waiting) == [True] * 20

        _run(make_saver, play)
