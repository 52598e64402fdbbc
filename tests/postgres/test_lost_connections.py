"""Connections end at any time: by an administrator, by a restart, by a timeout. The saver goes on by itself."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from perdure.errors import StoreUnavailableError
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver
from perdure.testing import FACES, grow, write_records
from perdure.testing.conformance.suite import unplaced
from perdure_postgres import PostgresSaver
from tests.postgres.cluster import Cluster
from tests.postgres.server import Server

OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def end_sessions(cluster: Cluster, url: str, which: str = "") -> int:
    """End the sessions of a database; return how many that were."""
    with cluster.admin(url) as admin:
        return len(admin.execute(f"SELECT pg_terminate_backend(pid) {OTHERS} {which}").fetchall())


@contextmanager
def locked(cluster: Cluster, url: str) -> Iterator[None]:
    """Let everybody who reads or writes events wait."""
    with psycopg.connect(cluster.admin_url_of(url)) as holder:
        holder.execute("LOCK TABLE perdure.events")
        yield
        holder.rollback()


def when_waiting(cluster: Cluster, url: str, act: str) -> None:
    """Do something to the first session of a database that waits for a lock."""
    deadline = time.monotonic() + 20
    with cluster.admin(url) as admin:
        while not admin.execute(f"SELECT {act}(pid) {OTHERS} AND wait_event_type = 'Lock'").fetchall():
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.005)


@pytest.fixture(params=list(FACES))
def show(request: pytest.FixtureRequest) -> Callable[[Saver], Saver]:
    return FACES[request.param]


Show = Callable[[Saver], Saver]


def test_read_that_is_cut_off_is_made_again(postgres: Cluster, postgres_url: str, show: Show) -> None:
    """A session that ends while it reads is replaced, and the read returns what it would have returned."""
    with PostgresSaver(postgres_url) as plain, ThreadPoolExecutor(1) as pool:
        saver = show(plain)
        records = grow(saver, "t", 500)
        with locked(postgres, postgres_url):
            reading = pool.submit(saver.read, "t", MAIN_BRANCH)
            when_waiting(postgres, postgres_url, "pg_terminate_backend")
        assert unplaced(reading.result(20)) == records


def test_append_that_is_cut_off_is_made_once(postgres: Cluster, postgres_url: str, show: Show) -> None:
    """So does an append that waits."""
    with PostgresSaver(postgres_url) as plain, ThreadPoolExecutor(1) as pool:
        saver = show(plain)
        first = grow(saver, "t")
        with locked(postgres, postgres_url):
            appending = pool.submit(grow, saver, "t", 3, after=first[-1])
            when_waiting(postgres, postgres_url, "pg_terminate_backend")
        more = appending.result(20)
        assert unplaced(saver.read("t", MAIN_BRANCH)) == first + more


def test_all_sessions_of_a_pool_end(postgres: Cluster, postgres_url: str, show: Show) -> None:
    """However many connections lie idle, and have ended meanwhile, nobody is told."""
    config = {"min_size": 6, "max_size": 6}
    with PostgresSaver(postgres_url, pool_config=config) as plain:
        saver = show(plain)
        records = grow(saver, "t")
        deadline = time.monotonic() + 20
        for _ in range(3):
            while (ended := end_sessions(postgres, postgres_url, "AND state = 'idle'")) < 6:
                assert time.monotonic() < deadline, f"{ended} connections at last"
                time.sleep(0.01)
            records += grow(saver, "t", after=records[-1])
            assert unplaced(saver.read("t", MAIN_BRANCH)) == records


def test_sessions_of_a_lent_pool_end(postgres: Cluster, postgres_url: str) -> None:
    """A lent pool gets its connections back all the same, as they were, and none is missing afterwards."""
    with ConnectionPool(postgres_url, min_size=3, max_size=3, open=True) as pool:
        saver = PostgresSaver(pool)
        records = grow(saver, "t")
        for _ in range(3):
            pool.wait(20)
            assert end_sessions(postgres, postgres_url) >= 1
            records += grow(saver, "t", after=records[-1])
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records
        with pool.connection(20) as one, pool.connection(20) as two, pool.connection(20) as three:
            assert [found.autocommit for found in (one, two, three)] == [False] * 3


def test_sessions_of_a_lent_async_pool_end(postgres: Cluster, postgres_url: str) -> None:
    """Neither is one of an async pool."""

    async def session() -> None:
        async with AsyncConnectionPool(postgres_url, min_size=3, max_size=3, open=False) as pool:
            saver = PostgresSaver(pool)
            records = write_records("t", 4)
            for number, record in enumerate(records):
                await saver.aappend("t", MAIN_BRANCH, expected_seq=number, records=[record])
                await pool.wait(20)
                assert await asyncio.to_thread(end_sessions, postgres, postgres_url) >= 1
            assert unplaced(await saver.aread("t", MAIN_BRANCH)) == records
            async with pool.connection(20) as one, pool.connection(20) as two, pool.connection(20) as three:
                assert [found.autocommit for found in (one, two, three)] == [False] * 3

    asyncio.run(session())


def test_lent_connection_that_ends_is_its_owner_s_matter(postgres: Cluster, postgres_url: str) -> None:
    """What was open in its transaction is lost, so nothing is made again behind the owner's back."""
    with psycopg.connect(postgres_url) as connection:
        saver = PostgresSaver(connection)
        grow(saver, "t")
        end_sessions(postgres, postgres_url)
        with pytest.raises(StoreUnavailableError, match="cannot be reached"):
            grow(saver, "u")
        with pytest.raises(StoreUnavailableError, match="cannot be reached"):
            saver.tail()
    with PostgresSaver(postgres_url) as saver:
        assert saver.list_threads() == []


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_restart_is_outlived(own_postgres: Server, show: Show, mode: Any) -> None:
    """A server that stops and starts again while somebody waits for it is waited for."""
    with own_postgres.database() as url, PostgresSaver(url) as plain, ThreadPoolExecutor(1) as pool:
        saver = show(plain)
        records = grow(saver, "t")
        own_postgres.stop(mode)
        waiting = pool.submit(grow, saver, "t", after=records[-1])
        time.sleep(0.2)
        assert not waiting.done()
        own_postgres.start()
        records += waiting.result(20)
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records


def test_server_that_stays_away_is_given_up(own_postgres: Server, show: Show) -> None:
    """After `timeout` the caller is told; nothing was written; when it is back, the same saver goes on."""
    with own_postgres.database() as url, PostgresSaver(url, timeout=0.5) as plain:
        saver = show(plain)
        records = grow(saver, "t")
        own_postgres.stop("fast")
        for _ in range(2):
            started = time.monotonic()
            with pytest.raises(StoreUnavailableError):
                grow(saver, "t", after=records[-1])
            assert time.monotonic() - started < 5
        own_postgres.start()
        records += grow(saver, "t", after=records[-1])
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records


def test_statement_timeout_is_told(postgres: Cluster, postgres_url: str, show: Show) -> None:
    """A statement that the server cancels is one clear error; nothing was written, and the next one works."""
    impatient = {"kwargs": {"options": "-c statement_timeout=200"}}
    with PostgresSaver(postgres_url, pool_config=impatient) as plain:
        saver = show(plain)
        records = grow(saver, "t")
        with locked(postgres, postgres_url):
            with pytest.raises(StoreUnavailableError, match="statement_timeout"):
                grow(saver, "t", after=records[-1])
            with pytest.raises(StoreUnavailableError, match="statement_timeout"):
                saver.read("t", MAIN_BRANCH)
            with pytest.raises(StoreUnavailableError, match="statement_timeout"):
                saver.delete_thread("t")
        records += grow(saver, "t", after=records[-1])
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records


def test_cancelled_statement_is_told(postgres: Cluster, postgres_url: str, show: Show) -> None:
    """One that an administrator cancels is not made again."""
    with PostgresSaver(postgres_url) as plain, ThreadPoolExecutor(1) as pool:
        saver = show(plain)
        records = grow(saver, "t")
        with locked(postgres, postgres_url):
            appending = pool.submit(grow, saver, "t", after=records[-1])
            when_waiting(postgres, postgres_url, "pg_cancel_backend")
            with pytest.raises(StoreUnavailableError, match="cancelled"):
                appending.result(20)
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records


def test_call_that_begins_in_an_outage_waits_for_its_end(own_postgres: Server) -> None:
    """It finds a pool without a connection; the server was there before, so it is waited for."""
    pool_config = {"min_size": 1, "max_size": 2}
    with own_postgres.database() as url, PostgresSaver(url, timeout=30, pool_config=pool_config) as saver:
        grow(saver, "t")
        own_postgres.stop("immediate")
        with ThreadPoolExecutor(2) as threads:
            calls = []
            for name in "ab":
                calls.append(threads.submit(grow, saver, name))
                time.sleep(2)
            assert not any(call.done() for call in calls)
            own_postgres.start()
            assert [call.result()[0].thread_id for call in calls] == ["a", "b"]
        assert [one.thread_id for one in saver.list_threads()] == ["a", "b", "t"]
