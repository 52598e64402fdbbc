"""Appends that wait together go in one statement: each has its own fate, and positions stay apart."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from perdure.errors import StaleWriterError, StoreUnavailableError, ThreadDeletedError
from perdure.events import Record
from perdure.testing.records import fork, grow, write_records
from perdure_postgres import PostgresSaver, group
from perdure_postgres import store as stores
from tests.postgres.server import Server

THREADS = [f"t{number}" for number in range(40)]


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many appends each statement for several has made."""
    sizes: list[int] = []
    real = group.append_group

    def counting(connection: Any, asked: Any) -> Any:
        made = yield from real(connection, asked)
        sizes.append(sum(map(bool, made)))
        return made

    monkeypatch.setattr(stores, "append_group", counting)
    return sizes


async def extend(saver: PostgresSaver, last: Record, count: int = 1, note: str = "more") -> int:
    records = write_records(last.thread_id, count, branch=last.branch, after=last, note=note)
    return await saver.aappend(last.thread_id, last.branch, expected_seq=last.seq, records=records)


def test_many_threads_at_once(postgres_url: str, groups: list[int]) -> None:
    """All appends are made, most of them together; each returns its own last position."""
    with PostgresSaver(postgres_url) as saver:
        heads = [grow(saver, thread_id, 2)[-1] for thread_id in THREADS]

        async def session() -> list[int]:
            return await asyncio.gather(*(extend(saver, head, 1 + head.position % 3) for head in heads))

        positions = asyncio.run(session())
        assert [saver.read(one, "main")[-1].position for one in THREADS] == positions
        everything = saver.tail(limit=1000)
        assert len({one.position for one in everything}) == len(everything)
        assert max(groups) > 5
        assert Counter(one.thread_id for one in everything).keys() == set(THREADS)


def test_many_new_threads_at_once(postgres_url: str, groups: list[int]) -> None:
    """First appends go together, too; a thread that is there already, twice asked for, or deleted is told apart."""
    with PostgresSaver(postgres_url) as saver:
        there = grow(saver, "there", 1)
        grow(saver, "gone", 1)
        saver.delete_thread("gone")

        async def begin(thread_id: str, note: str = "") -> int:
            records = write_records(thread_id, 2, note=note)
            return await saver.aappend(thread_id, "main", expected_seq=0, records=records, current="stays")

        async def session() -> list[Any]:
            new = [begin(thread_id) for thread_id in THREADS]
            odd = [begin("there"), begin("gone"), begin("twice"), begin("twice", "other"), begin("twice")]
            return await asyncio.gather(*new, *odd, return_exceptions=True)

        came_to = asyncio.run(session())
        assert came_to[: len(THREADS)] == [saver.read(one, "main")[-1].position for one in THREADS]
        odd = came_to[len(THREADS) :]
        assert [type(one) for one in odd] == [StaleWriterError, ThreadDeletedError, int, StaleWriterError, int]
        assert odd[2] == odd[4]
        assert [record.hash for record in saver.read("there", "main")] == [there[0].hash]
        assert len(saver.read("gone", "main")) == 1
        assert {one.branch for one in saver.list_threads(limit=100)} == {"main"}
        assert max(groups) > 5


def test_a_refusal_in_a_group_is_alone(postgres_url: str, groups: list[int]) -> None:
    """Stale, deleted and forked ones are told apart; the others are appended."""
    with PostgresSaver(postgres_url) as saver:
        heads = {thread_id: grow(saver, thread_id, 2)[-1] for thread_id in THREADS}
        for thread_id in THREADS[:5]:
            grow(saver, thread_id, after=heads[thread_id], note="somebody else's")
        saver.delete_thread(THREADS[5])
        forked = fork(saver, "f", at=heads[THREADS[6]])[-1]

        async def session() -> list[Any]:
            asked = [*heads.values(), forked]
            return await asyncio.gather(*(extend(saver, head) for head in asked), return_exceptions=True)

        came_to = asyncio.run(session())
        assert [type(one) for one in came_to[:6]] == [StaleWriterError] * 5 + [ThreadDeletedError]
        assert all(isinstance(one, int) for one in came_to[6:])
        assert len(saver.read(THREADS[6], "f")) == 2
        assert [len(saver.read(one, "main")) for one in THREADS[:8]] == [3, 3, 3, 3, 3, 1, 3, 3]
        assert sum(groups) >= 1


def test_two_appends_to_one_thread_in_one_group(postgres_url: str, groups: list[int]) -> None:
    """The second of two writers of one head is refused; a retry of the first is recognised."""
    with PostgresSaver(postgres_url) as saver:
        heads = [grow(saver, thread_id, 2)[-1] for thread_id in THREADS]

        async def session() -> list[Any]:
            twice = [extend(saver, head, note=note) for head in heads for note in ("same", "same", "other")]
            return await asyncio.gather(*twice, return_exceptions=True)

        came_to = asyncio.run(session())
        for number, thread_id in enumerate(THREADS):
            mine, again, other = came_to[3 * number : 3 * number + 3]
            assert mine == again == saver.read(thread_id, "main")[-1].position
            assert isinstance(other, StaleWriterError)
        assert sum(groups) >= 1


def test_two_savers_open_and_extend_the_same_threads_at_once(postgres_url: str) -> None:
    """Groups of several savers meet on all threads: one of them wins each, and none is told to try again."""
    with PostgresSaver(postgres_url) as one, PostgresSaver(postgres_url) as other, ThreadPoolExecutor(2) as pool:

        async def session(saver: PostgresSaver, order: list[str], seq: int) -> list[Any]:
            async def put(thread_id: str) -> int:
                records = write_records(thread_id, 2, after=heads.get(thread_id), note=repr(saver))
                return await saver.aappend(thread_id, "main", expected_seq=seq, records=records)

            return await asyncio.gather(*map(put, order), return_exceptions=True)

        for seq in (0, 2, 4):
            heads = {thread_id: one.read(thread_id, "main")[-1] for thread_id in THREADS if seq}
            orders = {one: THREADS, other: THREADS[::-1]}
            calls = [pool.submit(asyncio.run, session(saver, order, seq)) for saver, order in orders.items()]
            mine, theirs = calls[0].result(60), calls[1].result(60)[::-1]
            for thread_id, outcomes in zip(THREADS, zip(mine, theirs, strict=True), strict=True):
                assert sorted(type(outcome).__name__ for outcome in outcomes) == ["StaleWriterError", "int"], outcomes
                assert len(one.read(thread_id, "main")) == seq + 2


def test_a_server_that_is_gone_is_waited_for_once(own_postgres: Server) -> None:
    """All who wait hear of it together, after one time-out, and nothing is half written."""
    with PostgresSaver(own_postgres.create_database(), timeout=1) as saver:
        heads = [grow(saver, thread_id, 2)[-1] for thread_id in THREADS]

        async def session() -> list[Any]:
            return await asyncio.gather(*(extend(saver, head) for head in heads), return_exceptions=True)

        own_postgres.stop("immediate")
        async_outcomes = asyncio.run(asyncio.wait_for(session(), 20))
        assert {type(one) for one in async_outcomes} == {StoreUnavailableError}
        own_postgres.start()
        assert all(isinstance(one, int) for one in asyncio.run(session()))
        assert len(saver.tail(limit=1000)) == 3 * len(THREADS)
