"""What cannot be reached or may not be done: one clear error each, at once, and never with the password in it."""

import asyncio
import socket
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from secrets import token_hex
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from perdure import open_saver
from perdure.errors import ClosedError, PerdureError, StoreError, StoreUnavailableError, UsageError
from perdure.ids import MAIN_BRANCH
from perdure.testing import grow
from perdure.testing.conformance.suite import unplaced
from perdure_postgres import PostgresSaver, from_url
from tests.postgres.cluster import Cluster

SECRET = "hunter2"
LONGEST = 5.0
"""Seconds in which somebody must be told what a server said at once."""


@pytest.fixture
def role(postgres: Cluster, postgres_url: str) -> Iterator[str]:
    """A role that may log in with a password, and do nothing."""
    name = f"role_{token_hex(4)}"
    with postgres.admin() as admin:
        admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(f"{SECRET} or so"))
        )
    yield name
    with postgres.admin(postgres_url) as admin:
        admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@contextmanager
def refused(kind: type[PerdureError], match: str) -> Iterator[None]:
    """Expect one error of just this kind, soon, with the password nowhere in what is shown of it."""
    started = time.monotonic()
    with pytest.raises(kind, match=match) as found:
        yield
    assert time.monotonic() - started < LONGEST
    assert type(found.value) is kind
    error: BaseException | None = found.value
    shown = [*traceback.format_exception(found.value)]
    while error is not None:
        shown += [str(error), repr(error), *map(repr, error.args)]
        error = error.__cause__
    assert SECRET not in "".join(shown)


def try_all(saver: PostgresSaver, kind: type[PerdureError], match: str) -> None:
    """Expect the same error of both faces, of reading and writing, the first time and the second."""
    with saver:
        for _ in range(2):
            with refused(kind, match):
                saver.tail()
            with refused(kind, match):
                asyncio.run(saver.ahead("t"))
        with refused(kind, match):
            grow(saver, "t")


def test_wrong_password(postgres: Cluster, postgres_url: str, role: str) -> None:
    """The server's own words are in the message."""
    url = postgres.url_of(urlsplit(postgres_url).path[1:], user=role, password=SECRET)
    try_all(PostgresSaver(url), StoreUnavailableError, "password authentication failed")


def test_missing_role(postgres: Cluster, postgres_url: str) -> None:
    """A server does not tell a missing role from a wrong password."""
    url = postgres.url_of(urlsplit(postgres_url).path[1:], user=f"nobody_{token_hex(4)}", password=SECRET)
    try_all(PostgresSaver(url), StoreUnavailableError, "authentication failed")


def test_missing_database(postgres: Cluster, role: str) -> None:
    """The database's name is in the message."""
    url = postgres.url_of("not_there", user=role, password=f"{SECRET} or so")
    try_all(PostgresSaver(url), StoreUnavailableError, "'not_there'.*does not exist")


def test_role_that_may_not_create_the_schema(postgres: Cluster, postgres_url: str, role: str) -> None:
    """It is said which right is missing."""
    url = postgres.url_of(urlsplit(postgres_url).path[1:], user=role, password=f"{SECRET} or so")
    try_all(PostgresSaver(url), StoreUnavailableError, "lacks a right.*permission denied for database")


def test_role_that_may_not_use_the_tables(postgres: Cluster, postgres_url: str, role: str) -> None:
    """The same where the schema is there; with rights to read, reading works, and writing is refused."""
    url = postgres.url_of(urlsplit(postgres_url).path[1:], user=role, password=f"{SECRET} or so")
    with PostgresSaver(postgres_url) as owner:
        records = grow(owner, "t", 2)
    name = sql.Identifier(role)
    try_all(PostgresSaver(url), StoreUnavailableError, "lacks a right.*permission denied")
    with psycopg.connect(postgres_url) as owning:
        owning.execute(sql.SQL("GRANT USAGE ON SCHEMA perdure TO {}").format(name))
        owning.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA perdure TO {}").format(name))
    with PostgresSaver(url) as reader:
        assert unplaced(reader.read("t", MAIN_BRANCH)) == records
        with refused(StoreUnavailableError, "lacks a right.*permission denied"):
            grow(reader, "t", after=records[-1])
        with refused(StoreUnavailableError, "lacks a right.*permission denied"):
            reader.delete_thread("t")
        assert unplaced(reader.read("t", MAIN_BRANCH)) == records


@pytest.mark.parametrize("host", ["127.0.0.1:1", "no-such-host.invalid", "127.0.0.1:1,127.0.0.1:2"])
def test_unreachable_server(host: str) -> None:
    """Nobody listens there, or there is no such place."""
    try_all(PostgresSaver(f"postgresql://me:{SECRET}@{host}/db"), StoreUnavailableError, "'db' on .*cannot be reached")


def test_server_that_says_nothing() -> None:
    """A silent one is waited for no longer than `timeout` says (in whole seconds, and two at least)."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://me:{SECRET}@127.0.0.1:{silent.getsockname()[1]}/db"
        with PostgresSaver(url, timeout=1.0) as saver, refused(StoreUnavailableError, "cannot be reached"):
            saver.tail()


def test_server_that_is_no_postgres() -> None:
    """One that speaks another language is told from one that is there."""
    with socket.create_server(("127.0.0.1", 0)) as other, ThreadPoolExecutor(1) as pool:

        def greet() -> None:
            client, _ = other.accept()
            with client:
                client.recv(1000)
                client.sendall(b"220 mail.example.com ESMTP\r\n")

        pool.submit(greet)
        url = f"postgresql://me:{SECRET}@127.0.0.1:{other.getsockname()[1]}/db?sslmode=disable"
        with PostgresSaver(url) as saver, refused(StoreUnavailableError, "cannot be reached"):
            saver.tail()


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:half/{SECRET}@127.0.0.1:1/db",
        f"postgresql://me:half@{SECRET}@127.0.0.1:1/db",
        f"postgresql://me:half%{SECRET}@127.0.0.1:1/db",
        f"postgresql://me:half:{SECRET}@[127.0.0.1:1/db",
        f"postgresql://me:x@127.0.0.1:{SECRET}/db",
        f"host=127.0.0.1 port=1 password=half {SECRET}",
        f"host=127.0.0.1 port=1 password='half {SECRET}",
        f"postgresql://me:x@127.0.0.1:1/db?password={SECRET}&no_such_option=1",
    ],
)
def test_url_whose_password_is_not_escaped(url: str) -> None:
    """What cannot be read is not quoted, for a part of it may be the password."""
    with refused(UsageError, "percent-encode"):
        PostgresSaver(url)


@pytest.mark.parametrize("password", [f"half?{SECRET}", f"half#{SECRET}", f"half/{SECRET}", f"half@{SECRET}", "[::1"])
@pytest.mark.parametrize("make", [from_url, open_saver])
def test_saver_url_whose_password_is_not_escaped(make: type[PostgresSaver], password: str) -> None:
    """Nor is it where the URL is split before."""
    started = time.monotonic()
    with pytest.raises(PerdureError) as found, make(f"postgresql://me:{password}@127.0.0.1:1/db") as saver:
        saver.tail()
    assert time.monotonic() - started < LONGEST
    error: BaseException | None = found.value
    while error is not None:
        assert SECRET not in str(error) + repr(error)
        error = error.__cause__


def test_pool_that_is_exhausted(postgres_url: str) -> None:
    """Who gets no connection in time is told so."""
    with PostgresSaver(postgres_url) as saver:
        records = grow(saver, "t")
    small = PostgresSaver(postgres_url, timeout=0.3, pool_config={"max_size": 1})
    with small, psycopg.connect(postgres_url) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("LOCK TABLE perdure.events")
        waiting = pool.submit(small.tail)
        deadline = time.monotonic() + 20
        while not holder.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall():
            assert time.monotonic() < deadline
        with refused(StoreUnavailableError, "all are in use"):
            small.read("t", MAIN_BRANCH)
        with refused(StoreUnavailableError, "all are in use"):
            asyncio.run(small.aappend("u", MAIN_BRANCH, expected_seq=0, records=[records[0]._replace(thread_id="u")]))
        holder.rollback()
        waiting.result(20)
        assert [one.thread_id for one in small.list_threads()] == ["t"]


def test_server_without_a_free_connection(postgres_url: str, postgres: Cluster) -> None:
    """A limit on the server is told in the server's words."""
    name = sql.Identifier(urlsplit(postgres_url).path[1:])
    with postgres.admin() as admin:
        admin.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 1").format(name))
    with psycopg.connect(postgres_url):
        try_all(PostgresSaver(postgres_url), StoreUnavailableError, "too many connections")


def test_lent_connection_that_is_closed(postgres_url: str) -> None:
    """It is the owner who closed it; so it is with a pool, and with one that is not open yet."""
    connection = psycopg.connect(postgres_url, autocommit=True)
    saver = PostgresSaver(connection)
    grow(saver, "t")
    connection.close()
    with refused(StoreUnavailableError, "closed"):
        saver.tail()
    pool = ConnectionPool(postgres_url, min_size=1, open=False)
    saver = PostgresSaver(pool)
    with refused(ClosedError, "was closed"):
        saver.tail()
    pool.open()
    assert len(saver.tail()) == 1
    pool.close()
    with refused(ClosedError, "was closed"):
        saver.tail()


def test_replica_or_read_only_database(postgres_url: str) -> None:
    """What takes no writes can be read."""
    with PostgresSaver(postgres_url) as saver:
        records = grow(saver, "t")
    read_only = {"kwargs": {"options": "-c default_transaction_read_only=on"}}
    with PostgresSaver(postgres_url, pool_config=read_only) as saver:
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records
        with refused(StoreUnavailableError, "takes no writes"):
            grow(saver, "t", after=records[-1])


def test_database_that_holds_other_text(postgres: Cluster) -> None:
    """Not every text could come back from an encoding that is not UTF-8."""
    name = sql.Identifier(f"latin_{token_hex(4)}")
    with postgres.admin() as admin:
        words = "CREATE DATABASE {} OWNER app ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
        admin.execute(sql.SQL(words).format(name))
    try_all(PostgresSaver(postgres.url_of(name.as_string(None).strip('"'))), StoreError, "LATIN1.*UTF8")
    with postgres.admin() as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def test_name_with_a_nul_is_no_other_name(postgres_url: str) -> None:
    """A text is refused where it would be cut off: it must not meet the branch that it begins like."""
    with PostgresSaver(postgres_url) as saver:
        records = grow(saver, "t", 2)
        for ask in (
            lambda: saver.read("t", f"{MAIN_BRANCH}\0x"),
            lambda: saver.head("t", f"{MAIN_BRANCH}\0x"),
            lambda: saver.list_threads(after="s\0x"),
            lambda: saver.read("t", MAIN_BRANCH, kinds=["Note\0d"]),
        ):
            with pytest.raises(UsageError, match="NUL"):
                ask()
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records


@pytest.mark.parametrize(
    "options", [{"timeout": float("inf")}, {"timeout": 0}, {"timeout": -1.0}, {"timeout": float("nan")}]
)
def test_numbers_that_are_no_timeouts(options: dict[str, float]) -> None:
    """They are refused before anything is opened."""
    with pytest.raises(UsageError, match="timeout"):
        PostgresSaver("postgresql://localhost/db", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", ["0", "-1", "inf", "1.5", "nan"])
def test_numbers_that_are_no_sizes(size: str) -> None:
    """The same in a URL."""
    with pytest.raises(UsageError, match="max_size"):
        from_url(f"postgresql://localhost/db?max_size={size}")


@pytest.mark.parametrize("habit", [{"row_factory": dict_row}, {"autocommit": False}])
def test_connections_are_ours_whatever_their_habits(postgres_url: str, habit: dict[str, object]) -> None:
    """What the pool is told to give its connections does not change what is kept."""
    with PostgresSaver(postgres_url, pool_config={"kwargs": habit}) as saver:
        records = grow(saver, "t", 2)
    with PostgresSaver(postgres_url) as other:
        assert unplaced(other.read("t", MAIN_BRANCH)) == records
