"""A database that moved to another server, whose transactions have other numbers: positions go on growing."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from secrets import token_hex
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from perdure.errors import StoreUnavailableError
from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.testing import FACES, grow, write_records
from perdure.testing.watching import settled_tail
from perdure_postgres import PostgresSaver
from tests.postgres.cluster import Cluster
from tests.postgres.installations import wheel
from tests.postgres.kinds import Servers
from tests.postgres.server import Server

BURN = "DO $$ BEGIN FOR number IN 1..3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
"""Uses up three thousand numbers of transactions."""


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    """Another server, no copy of those that tests share; its transactions are few."""
    with ExitStack() as stack, Servers(stack).private() as server:
        yield server


def run(program: str, *arguments: str, said: str = "") -> str:
    command = [str(wheel().programs / program), *arguments]
    done = subprocess.run(command, input=said, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def move(source: Cluster, url: str, target: Cluster) -> str:
    """Dump a database and restore it on a server; return its URL there."""
    there = target.create_database()
    script = run("pg_dump", "--no-owner", source.admin_url_of(url))
    run("psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", there, said=script)
    return there


def filled(url: str) -> tuple[list[Record], int]:
    """Write five events where transactions have high numbers; return them, and how far a follower has come."""
    with PostgresSaver(url) as saver:
        saver.setup()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(BURN)
        for name in "abcde":
            grow(saver, name)
        tail = settled_tail(saver, 5)
        return tail, tail[2].position


def go_on(saver: PostgresSaver, tail: list[Record], followed: int) -> list[Record]:
    """Write three more events; hold the tail to what stood before, and then these; return it."""
    for name in "xyz":
        grow(saver, f"{name}{token_hex(4)}")
    found = settled_tail(saver, len(tail) + 3)
    assert found[: len(tail)] == tail
    assert [record.thread_id[0] for record in found[len(tail) :]] == ["x", "y", "z"]
    assert found == sorted(found, key=lambda record: record.position)
    assert settled_tail(saver, len(tail), after=followed) == found[3:]
    return found


@pytest.mark.parametrize("face", FACES)
def test_restored_where_transactions_have_lower_numbers(
    postgres: Cluster, postgres_url: str, elsewhere: Server, face: str
) -> None:
    """New events stand after those that were restored, and a follower that comes along misses none."""
    tail, followed = filled(postgres_url)
    url = move(postgres, postgres_url, elsewhere)
    with PostgresSaver(url) as plain:
        assert FACES[face](plain).head("a") is not None
        tail = go_on(plain, tail, followed)
    with PostgresSaver(url) as other, PostgresSaver(url) as another:
        tail = go_on(other, tail, followed)
        go_on(another, tail, followed)


def test_moved_there_and_back(postgres: Cluster, postgres_url: str, elsewhere: Server) -> None:
    """Also where numbers are higher again, and when it has been there before."""
    tail, followed = filled(postgres_url)
    there = move(postgres, postgres_url, elsewhere)
    with PostgresSaver(there) as saver:
        tail = go_on(saver, tail, followed)
    back = move(elsewhere, there, postgres)
    with PostgresSaver(back) as saver:
        tail = go_on(saver, tail, followed)
    again = move(postgres, back, elsewhere)
    with PostgresSaver(again) as saver:
        go_on(saver, tail, followed)


def test_restored_into_a_copy_of_its_server(postgres_url: str, postgres: Cluster, own_postgres: Server) -> None:
    """A copy has the same identifier, and its transactions may be behind all the same."""
    tail, followed = filled(postgres_url)
    with PostgresSaver(move(postgres, postgres_url, own_postgres)) as saver:
        go_on(saver, tail, followed)


def test_several_open_what_was_restored_at_once(postgres: Cluster, postgres_url: str, elsewhere: Server) -> None:
    """Whoever comes first sets it right; none of them writes an event at a place that lies behind."""
    tail, followed = filled(postgres_url)
    url = move(postgres, postgres_url, elsewhere)
    with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        savers = [stack.enter_context(PostgresSaver(url)) for _ in range(4)]
        list(pool.map(PostgresSaver.setup, savers))
        for saver in savers:
            tail = go_on(saver, tail, followed)


def test_own_transaction_is_no_restored_database(postgres_url: str) -> None:
    """A second saver in a transaction in which events were written takes these for what they are."""
    with PostgresSaver(postgres_url) as saver:
        saver.setup()
    with psycopg.connect(postgres_url) as connection:
        for number in range(3):
            grow(PostgresSaver(connection), f"t{number}")
        assert connection.execute("SELECT ahead FROM perdure.transactions").fetchone() == (0,)


def test_role_that_sees_one_tenant_only_does_not_seal(postgres: Cluster, postgres_url: str, elsewhere: Server) -> None:
    """Where other tenants' events end it cannot know, so it is told to let the owner open the database first."""
    with PostgresSaver(postgres_url) as owner:
        owner.setup(rls=True)
    tail, followed = filled(postgres_url)
    url = move(postgres, postgres_url, elsewhere)
    role = sql.Identifier(f"role_{token_hex(4)}")
    with elsewhere.admin(url) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(role))
        admin.execute(sql.SQL("ALTER ROLE {} SET perdure.tenant = 'acme'").format(role))
        admin.execute(sql.SQL("GRANT USAGE ON SCHEMA perdure TO {}").format(role))
        admin.execute(sql.SQL("GRANT ALL ON ALL TABLES IN SCHEMA perdure TO {}").format(role))
    named = elsewhere.url_of(urlsplit(url).path[1:], user=role.as_string(None).strip('"'), password="x")
    with PostgresSaver(named, tenant="acme") as tenant:
        with pytest.raises(StoreUnavailableError, match="owner"):
            tenant.append("t", MAIN_BRANCH, expected_seq=0, records=write_records("t"))
        with PostgresSaver(url) as owner:
            tail = go_on(owner, tail, followed)
        records = grow(tenant, "t")
        assert tenant.read("t", MAIN_BRANCH)[0].position > tail[-1].position
        assert settled_tail(tenant, 1)[0].hash == records[0].hash
