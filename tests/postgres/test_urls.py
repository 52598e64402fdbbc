"""Naming a PostgreSQL database: a URL with options of the saver and of the driver, or libpq's pairs."""

import asyncio
from collections.abc import Iterator
from secrets import token_hex
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import psycopg
import pytest
from psycopg import sql

from perdure import open_saver
from perdure.errors import UsageError
from perdure.ids import MAIN_BRANCH
from perdure.testing import grow
from perdure.testing.conformance.suite import unplaced
from perdure_postgres import PostgresSaver, from_url
from tests.postgres.cluster import Cluster


def with_options(url: str, **options: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(options, quote_via=quote)}"


@pytest.fixture
def looker(postgres: Cluster, postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with postgres.admin(postgres_url) as connection:
        yield connection


def test_options_of_the_saver(postgres_url: str, looker: psycopg.Connection[Any]) -> None:
    """Schema and tenant, in any letters; with keyword options or in the URL."""
    url = with_options(postgres_url, schema="My logs & more", tenant="ünï +1")
    with open_saver(url) as saver, open_saver(postgres_url, schema="My logs & more", tenant="ünï +1") as same:
        records = grow(saver, "t", 2)
        assert saver.tenant == "ünï +1"
        assert unplaced(same.read("t", MAIN_BRANCH)) == records
    assert looker.execute('SELECT DISTINCT tenant FROM "My logs & more".event_log').fetchall() == [("ünï +1",)]


def test_options_of_the_driver(postgres_url: str, looker: psycopg.Connection[Any]) -> None:
    """What is not the saver's is handed on as it was, spaces and signs and all."""
    name = "an app: 100% + more"
    url = with_options(postgres_url, application_name=name, options="-c statement_timeout=4321")
    with open_saver(url) as saver:
        grow(saver, "t")
        shown = looker.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [name]).fetchone()
        assert shown is not None
        assert shown[0] >= 1
        assert isinstance(saver, PostgresSaver)

        def ask(connection: Any) -> Any:
            yield from ()
            return connection.execute("SHOW statement_timeout").fetchone()

        assert saver._store.run(ask) == ("4321ms",)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
@pytest.mark.parametrize("password", ["plain", "p@ss/w:o?r#d &%20+", "ünï"])
def test_password_is_escaped_in_the_url(
    postgres: Cluster, postgres_url: str, looker: psycopg.Connection[Any], scheme: str, password: str
) -> None:
    """Whatever it is made of, percent-encoded it arrives."""
    role = f"role {token_hex(4)}"
    name = sql.Identifier(role)
    looker.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(password)))
    looker.execute(
        sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(sql.Identifier(urlsplit(postgres_url).path[1:]), name)
    )
    url = postgres.url_of(urlsplit(postgres_url).path[1:], user=role, password=password)
    with open_saver(url.replace("postgresql:", f"{scheme}:", 1)) as saver:
        grow(saver, "t")
    looker.execute(sql.SQL("DROP OWNED BY {0} CASCADE").format(name))
    looker.execute(sql.SQL("DROP ROLE {}").format(name))


def test_pairs_of_libpq(postgres_url: str) -> None:
    """`host=… dbname=…` names a database for the class itself, used directly or in either `with`."""
    pairs = psycopg.conninfo.make_conninfo(postgres_url)
    saver = PostgresSaver.from_conn_string(pairs)
    records = grow(saver, "t")
    with saver as entered:
        assert entered is saver

    async def session() -> None:
        async with PostgresSaver.from_conn_string(pairs) as other:
            assert unplaced(await other.aread("t", MAIN_BRANCH)) == records

    asyncio.run(session())


def test_size_of_the_pool(postgres_url: str, looker: psycopg.Connection[Any]) -> None:
    """`max_size` bounds how many sessions a saver has."""

    async def session(saver: Any) -> None:
        await asyncio.gather(*(asyncio.to_thread(grow, saver, f"t{number}", 3) for number in range(20)))

    with open_saver(with_options(postgres_url, max_size="2", application_name="bounded")) as saver:
        asyncio.run(session(saver))
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bounded'"
        found = looker.execute(query).fetchone()
        assert found is not None
        assert 1 <= found[0] <= 2


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:",
        "postgresql:db",
        "postgresql:/db",
        "mysql://localhost/db",
        "sqlite:///log.db",
        "postgresql://localhost/db?timeout=soon",
        "postgresql://localhost/db?timeout",
        "postgresql://localhost/db?auto_setup=perhaps",
        "postgresql://localhost/db?max_size=many",
        "postgresql://localhost/db?no_such_option=1",
        "postgresql://localhost/db?schema=",
        "postgresql://localhost/db?tenant=%00",
        "postgresql://localhost/db#part",
    ],
)
def test_wrong_urls_are_usage_errors(url: str) -> None:
    """Nothing is guessed, and nothing is opened."""
    with pytest.raises(UsageError):
        from_url(url)


@pytest.mark.parametrize("source", ["nonsense", "host", None, 5, object()])
def test_what_is_no_source_is_a_usage_error(source: Any) -> None:
    """Neither is what names no database at all."""
    with pytest.raises(UsageError):
        PostgresSaver(source)
