"""How the schema comes into being: once, whoever comes first, and in the same way by hand."""

import asyncio
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from threading import Barrier
from typing import Any

import psycopg
import pytest
from psycopg import sql

from perdure.errors import SchemaVersionError, StoreError, UsageError
from perdure.ids import MAIN_BRANCH
from perdure.testing import grow, write_records
from perdure.testing.conformance.suite import unplaced
from perdure_postgres import PostgresSaver, schema_sql
from tests.postgres.catalog import describe
from tests.postgres.cluster import Cluster
from tests.postgres.installations import wheel

PATIENCE = 20.0
ROUNDS = 20


@pytest.fixture
def url(each_postgres: Cluster) -> Iterator[str]:
    """A fresh database on each kind of server."""
    with each_postgres.database() as url:
        yield url


def start(urls: Sequence[str], meeting: Barrier, name: str, options: dict[str, Any]) -> list[bool]:
    """Open each database at the same time as another process does; return whether what was written could be read."""
    found = []
    for url in urls:
        meeting.wait(PATIENCE)
        with PostgresSaver(url) as saver:
            if options:
                saver.setup(**options)
            found.append(grow(saver, name) == unplaced(saver.read(name, MAIN_BRANCH)))
    return found


@pytest.mark.parametrize(("options", "rounds"), [({}, ROUNDS), ({"rls": True, "partitions": 2}, 5)])
def test_two_processes_start_on_an_empty_database(postgres: Cluster, options: dict[str, Any], rounds: int) -> None:
    """Both succeed, each round anew, and find one schema."""
    urls = [postgres.create_database() for _ in range(rounds)]
    context = get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(2, mp_context=context) as pool:
        meeting = manager.Barrier(2)
        running = [pool.submit(start, urls, meeting, name, options) for name in ("left", "right")]
        assert [one.result() for one in running] == [[True] * rounds] * 2
    for url in urls:
        with PostgresSaver(url, auto_setup=False) as saver:
            assert [one.thread_id for one in saver.list_threads()] == ["left", "right"]
        postgres.leave(url)


SCRIPTS = {
    "plain": {},
    "rls": {"rls": True},
    "partitions": {"partitions": 3},
    "all": {"rls": True, "partitions": 2},
}


@pytest.mark.parametrize("schema", ["perdure", 'My "log": 100%\'s {x} %(y)s %%'])
@pytest.mark.parametrize("options", SCRIPTS.values(), ids=SCRIPTS)
def test_script_makes_the_same_schema(each_postgres: Cluster, url: str, schema: str, options: dict[str, Any]) -> None:
    """Run by psql, or by the driver, `schema_sql()` does what `setup()` does; the saver works with either."""
    script = schema_sql(schema, **options)
    with each_postgres.database() as by_psql, each_postgres.database() as by_driver:
        psql = [str(wheel().programs / "psql"), "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", by_psql]
        said = f"SET client_min_messages = warning;\n{script}"
        done = subprocess.run(psql, input=said, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        with psycopg.connect(by_driver, autocommit=True) as connection:
            connection.execute(script.encode())
        with PostgresSaver(url, schema=schema) as saver:
            saver.setup(**options)
        made = describe(url, schema)
        assert all(made[what] for what in ("relations", "columns", "constraints", "indexes", "triggers", "functions"))
        assert bool(made["policies"]) == options.get("rls", False)
        for other in (by_psql, by_driver):
            assert describe(other, schema) == made
            with PostgresSaver(other, schema=schema, auto_setup=False) as saver:
                records = grow(saver, "t", 2)
                assert unplaced(saver.read("t", MAIN_BRANCH)) == records


def test_setup_again_changes_nothing(url: str) -> None:
    """Neither does opening it, nor a saver of another tenant."""
    with PostgresSaver(url) as saver:
        saver.setup()
        made = describe(url, "perdure")
        saver.setup()
        asyncio.run(saver.asetup())
    with PostgresSaver(url, tenant="acme") as saver:
        grow(saver, "t")
    assert describe(url, "perdure") == made


def test_older_program_leaves_a_newer_schema_alone(postgres_url: str) -> None:
    """It says what is newer, whatever is asked of it, and writes nothing; so does one that does not set up."""
    with PostgresSaver(postgres_url) as saver:
        records = grow(saver, "t", 2)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("INSERT INTO perdure.migrations (version, name) VALUES (99, '0099_later.sql')")
    before = describe(postgres_url, "perdure")
    for auto_setup in (True, False):
        with PostgresSaver(postgres_url, auto_setup=auto_setup) as old:
            for call in (
                old.tail,
                old.setup,
                lambda: grow(old, "t", after=records[-1]),
                lambda: old.delete_thread("t"),
            ):
                with pytest.raises(SchemaVersionError, match=r"version 99.*upgrade the package"):
                    call()
            with pytest.raises(SchemaVersionError, match="version 99"):
                asyncio.run(old.ahead("t"))
    assert describe(postgres_url, "perdure") == before
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM perdure.events").fetchone() == (2,)


def test_missing_schema_is_told_where_it_is_not_made(postgres_url: str) -> None:
    """With `auto_setup=False` nothing is made unless `setup()` is called; then the same saver goes on."""
    with PostgresSaver(postgres_url, auto_setup=False) as saver:
        for _ in range(2):
            with pytest.raises(StoreError, match=r"no schema.*call saver\.setup\(\)"):
                grow(saver, "t")
            with pytest.raises(StoreError, match=r"no schema.*call saver\.setup\(\)"):
                asyncio.run(saver.atail())
        with psycopg.connect(postgres_url) as connection:
            assert connection.execute("SELECT to_regnamespace('perdure')").fetchone() == (None,)
        saver.setup()
        grow(saver, "t")


def test_schema_that_somebody_drops_is_told_and_can_be_made_again(postgres_url: str) -> None:
    """A running saver says what is missing; it makes it anew when it is used again."""
    with PostgresSaver(postgres_url) as saver:
        grow(saver, "t")
        with psycopg.connect(postgres_url) as connection:
            connection.execute("DROP SCHEMA perdure CASCADE")
        with pytest.raises(StoreError, match=r"setup\(\)"):
            grow(saver, "u")
        grow(saver, "u")
        assert [one.thread_id for one in saver.list_threads()] == ["u"]


NAMES = [
    "Upper Case", 'quo"te', "a%b", "100%%", "%(tenant)s", "{events}", "{}", "dot.dot", "semi; DROP SCHEMA public", "$$",
    "back\\slash", "ünï→cödé", "select", "'", "x" * 63, " ",
]  # fmt: skip


@pytest.mark.parametrize("schema", NAMES)
def test_schema_may_have_any_name(postgres_url: str, schema: str) -> None:
    """Names are quoted wherever they stand, and two schemas in one database are apart."""
    with (
        PostgresSaver(postgres_url, schema=schema) as saver,
        PostgresSaver(postgres_url, schema=f"{schema[:-1]}~") as other,
    ):
        records = grow(saver, "t", 3)
        assert other.list_threads() == []
        assert grow(other, "t", note="other") == unplaced(other.read("t", MAIN_BRANCH))
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records
        asyncio.run(saver.aappend("u", MAIN_BRANCH, expected_seq=0, records=write_records("u")))
        assert saver.delete_thread("u") == 1
        saver.setup(rls=True)
    with psycopg.connect(postgres_url) as connection:
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, "event_log"))
        assert connection.execute(query).fetchone() == (4,)


@pytest.mark.parametrize("schema", ["", "x" * 64, "ü" * 32, "nul\0"])
def test_names_that_cannot_be_kept_are_refused(postgres_url: str, schema: str) -> None:
    """PostgreSQL would cut them off, or could not hold them."""
    with pytest.raises(UsageError, match="schema"):
        PostgresSaver(postgres_url, schema=schema)


def test_partitions_are_chosen_once(url: str) -> None:
    """Asked for another number, or for partitions where there are none, the saver says what there is."""
    with PostgresSaver(url) as saver, PostgresSaver(url, schema="plain") as plain:
        for wrong in (0, -1, 1025):
            with pytest.raises(UsageError, match="between 1 and 1024"):
                saver.setup(partitions=wrong)
        saver.setup(partitions=4)
        saver.setup(partitions=4)
        saver.setup()
        with pytest.raises(UsageError, match="4 partitions, not 5"):
            saver.setup(partitions=5)
        plain.setup()
        with pytest.raises(UsageError, match="no partitions, not 4"):
            asyncio.run(plain.asetup(partitions=4))
        records = {name: grow(saver, name, 5) for name in "abcdefghijklmnop"}
        assert {name: unplaced(saver.read(name, MAIN_BRANCH)) for name in records} == records
    with psycopg.connect(url) as connection:
        used = connection.execute("SELECT count(DISTINCT tableoid) FROM perdure.events").fetchone()
    assert used == (4,)
