"""Several writers as tasks of one event loop: exactly one wins each round, and who gives up leaves no half."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import ClassVar

from perdure.errors import StaleWriterError
from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Branch, Saver
from perdure.testing.conformance.contending import BRANCHES, require_chain
from perdure.testing.conformance.suite import MakeSaver, SaverClauses, unplaced
from perdure.testing.records import write_records
from perdure.testing.watching import PATIENCE


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


class TaskClauses(SaverClauses):
    """Writers in several tasks of one event loop. (The async face only.)"""

    capability: ClassVar[str] = "contention-tasks"

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
            async with asyncio.timeout(PATIENCE):
                while len(tail := await saver.atail(limit=1000)) < 500:  # noqa: ASYNC110 -- nobody tells when
                    await asyncio.sleep(0.005)
            assert len({record.position for record in tail}) == len(tail) == 500

        _run(make_saver, play)

    def test_branches_of_one_thread_all_succeed(self, make_saver: MakeSaver) -> None:
        """Tasks that open and continue branches of one thread at once: none is refused."""

        async def grow_branch(saver: Saver, root: Record, branch: str) -> None:
            records = write_records("t", 4, branch=branch, after=root)
            opens = Branch(branch, parent=MAIN_BRANCH, fork_seq=1)
            await saver.aappend("t", branch, expected_seq=1, records=records[:2], opens=opens)
            await saver.aappend("t", branch, expected_seq=3, records=records[2:])
            assert unplaced(await saver.aread("t", branch)) == records

        async def play(saver: Saver) -> None:
            root = write_records("t")
            await saver.aappend("t", MAIN_BRANCH, expected_seq=0, records=root)
            await asyncio.gather(*(grow_branch(saver, root[0], f"f{number}") for number in range(BRANCHES)))
            heads = {branch.id: branch.head_seq for branch in await saver.abranches("t")}
            assert heads == {MAIN_BRANCH: 1, **{f"f{number}": 5 for number in range(BRANCHES)}}

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
