"""Following the tail live: woken by the side channel, by polling without it, and through lost connections."""

import asyncio
from collections.abc import Iterator
from threading import Thread
from time import monotonic, sleep

import psycopg
import pytest

from perdure.events import Record
from perdure.testing.records import grow
from perdure_postgres import PostgresSaver
from perdure_postgres.following import channel_of
from tests.postgres.cluster import Cluster


def collect(saver: PostgresSaver, count: int, poll: float) -> tuple[Thread, list[Record]]:
    """Start a thread that follows until it has seen `count` records."""
    seen: list[Record] = []

    def work() -> None:
        for record in saver.follow(poll=poll):
            seen.append(record)
            if len(seen) == count:
                return

    thread = Thread(target=work)
    thread.start()
    return thread, seen


@pytest.fixture
def saver(postgres_url: str) -> Iterator[PostgresSaver]:
    with PostgresSaver(postgres_url, notify=True) as saver:
        grow(saver, "t", 2)
        yield saver


def listening(postgres: Cluster, url: str) -> int:
    """Return how many connections listen to the default schema's channel."""
    with postgres.admin(url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE %s AND datname = current_database()",
            (f'LISTEN "{channel_of("perdure")}"%',),
        ).fetchone()
    assert found is not None
    return int(found[0])


def wait_for_ear(postgres: Cluster, url: str) -> None:
    deadline = monotonic() + 10
    while not listening(postgres, url):
        assert monotonic() < deadline, "nobody listens"
        sleep(0.01)


def test_a_follower_is_woken_by_another_saver(postgres: Cluster, postgres_url: str, saver: PostgresSaver) -> None:
    """With an hour between two looks, what is appended elsewhere still comes."""
    with PostgresSaver(postgres_url) as other:
        thread, seen = collect(other, 5, poll=3600)
        wait_for_ear(postgres, postgres_url)
        grow(saver, "u", 3)
        thread.join(20)
        assert not thread.is_alive()
    assert seen == saver.tail()


def test_a_follower_without_a_bell_polls(postgres_url: str) -> None:
    """Nobody rings: what is appended comes with the next look."""
    with PostgresSaver(postgres_url) as writer, PostgresSaver(postgres_url) as other:
        grow(writer, "t", 2)
        thread, seen = collect(other, 4, poll=0.05)
        grow(writer, "u", 2)
        thread.join(20)
        assert not thread.is_alive()
        assert seen == writer.tail()


def test_a_follower_outlives_its_connection(postgres: Cluster, postgres_url: str, saver: PostgresSaver) -> None:
    """The listening connection is ended by the server; the follower polls, and listens again."""
    with PostgresSaver(postgres_url) as other:
        thread, seen = collect(other, 4, poll=0.1)
        wait_for_ear(postgres, postgres_url)
        with postgres.admin(postgres_url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
                " AND datname = current_database()"
            )
        grow(saver, "u", 2)
        thread.join(20)
        assert not thread.is_alive()
    assert seen == saver.tail()


def test_following_in_an_event_loop(postgres: Cluster, postgres_url: str, saver: PostgresSaver) -> None:
    """The async follower is woken, too, and leaves no connection behind when it is closed."""

    async def session() -> list[Record]:
        seen: list[Record] = []
        stream = other.afollow(poll=3600)
        async for record in stream:
            seen.append(record)
            if len(seen) == 2:
                task = asyncio.create_task(ring())
            if len(seen) == 5:
                break
        await task
        return seen

    async def ring() -> None:
        await asyncio.to_thread(wait_for_ear, postgres, postgres_url)
        await asyncio.to_thread(grow, saver, "u", 3)

    with PostgresSaver(postgres_url) as other:
        assert asyncio.run(session()) == saver.tail()
    deadline = monotonic() + 10
    while listening(postgres, postgres_url):
        assert monotonic() < deadline, "a connection still listens"
        sleep(0.01)


def test_appends_do_not_notify_in_their_own_transaction(postgres_url: str, saver: PostgresSaver) -> None:
    """A hundred appends at once ring a few times: the bell gathers them."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'LISTEN "{channel_of("perdure")}"')
        for number in range(100):
            grow(saver, f"t{number}", 1)
        rung = list(connection.notifies(timeout=0.5))
    assert 1 <= len(rung) <= 100
    assert {one.payload for one in rung} == {""}


def test_no_bell_in_the_callers_transaction(postgres_url: str) -> None:
    """On a lent connection nothing is rung, and the caller's commit is as durable as it was."""
    with psycopg.connect(postgres_url) as connection:
        lent = PostgresSaver(connection, notify=True)
        grow(lent, "t", 2)
        sleep(0.1)
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
        lent.close()
