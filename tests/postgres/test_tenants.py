"""Tenants behind row-level security: a role sees and writes what belongs to its own, whatever it asks for."""

from collections.abc import Iterator
from secrets import token_hex
from typing import NamedTuple
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from perdure.errors import StaleWriterError, StoreUnavailableError
from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver, Snapshot
from perdure.testing import FACES, fork, grow
from perdure.testing.conformance.suite import unplaced
from perdure.testing.watching import settled_tail
from perdure_postgres import PostgresSaver
from tests.postgres.cluster import Cluster

KEPT = ("threads", "branches", "events", "snapshots", "event_log")
"""What holds rows of tenants."""


class Urls(NamedTuple):
    """A database with row-level security: as its owner sees it, as one role for each tenant does, and one of none."""

    owner: str
    acme: str
    globex: str
    nobody: str


@pytest.fixture
def urls(each_postgres: Cluster) -> Iterator[Urls]:
    with each_postgres.database() as url:
        with PostgresSaver(url) as saver:
            saver.setup(rls=True)
        found = Urls(url, *(add_role(each_postgres, url, tenant) for tenant in ("acme", "globex", "")))
        yield found
        with each_postgres.admin(url) as admin:
            for one in found[1:]:
                role = sql.Identifier(urlsplit(one).username or "")
                admin.execute(sql.SQL("DROP OWNED BY {}").format(role))
                admin.execute(sql.SQL("DROP ROLE {}").format(role))


def add_role(cluster: Cluster, url: str, tenant: str) -> str:
    """Add a role that may do what tables let it, tied to a tenant; return its URL."""
    name = f"role_{token_hex(4)}"
    role = sql.Identifier(name)
    with cluster.admin(url) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(role))
        if tenant:
            admin.execute(sql.SQL("ALTER ROLE {} SET perdure.tenant = {}").format(role, sql.Literal(tenant)))
        admin.execute(sql.SQL("GRANT USAGE ON SCHEMA perdure TO {}").format(role))
        admin.execute(sql.SQL("GRANT ALL ON ALL TABLES IN SCHEMA perdure TO {}").format(role))
    return cluster.url_of(urlsplit(url).path[1:], user=name, password="x")


def fill(saver: Saver, note: str) -> list[Record]:
    """Leave something in every table; return what thread `t` holds on its main branch."""
    records = grow(saver, "t", 3, note=note)
    fork(saver, "f", at=records[0], count=2)
    saver.put_snapshot("t", Snapshot(MAIN_BRANCH, 2, bytes(32), note.encode()))
    return records


def tenants_in(url: str, table: str) -> set[str]:
    with psycopg.connect(url) as connection:
        query = sql.SQL("SELECT DISTINCT tenant FROM {}").format(sql.Identifier("perdure", table))
        return {row[0] for row in connection.execute(query)}


@pytest.mark.parametrize("face", FACES)
def test_each_role_works_with_its_own_threads(urls: Urls, face: str) -> None:
    """Both have a thread of the same name; nothing that one does touches the other's."""
    with (
        PostgresSaver(urls.acme, tenant="acme") as one,
        PostgresSaver(urls.globex, tenant="globex") as other,
    ):
        acme, globex = FACES[face](one), FACES[face](other)
        ours, theirs = fill(acme, "ours"), fill(globex, "theirs")
        ours += grow(acme, "t", after=ours[-1])
        assert unplaced(acme.read("t", MAIN_BRANCH)) == ours
        assert unplaced(globex.read("t", MAIN_BRANCH)) == theirs
        assert len(settled_tail(acme, 6)) == 6
        assert len(settled_tail(globex, 5)) == 5
        assert acme.drop_snapshots("t") == 1
        assert acme.delete_thread("t") == 6
        assert acme.list_threads() == []
        assert [one.thread_id for one in globex.list_threads()] == ["t"]
        assert globex.get_snapshot("t", MAIN_BRANCH, upto=3) is not None


def test_role_sees_its_own_rows_in_every_table(urls: Urls) -> None:
    """Whoever reads the tables or the view with SQL sees one tenant; the owner sees all, a role of none nothing."""
    with PostgresSaver(urls.acme, tenant="acme") as acme, PostgresSaver(urls.globex, tenant="globex") as globex:
        fill(acme, "ours")
        fill(globex, "theirs")
    for table in KEPT:
        assert tenants_in(urls.owner, table) == {"acme", "globex"}, table
        assert tenants_in(urls.acme, table) == {"acme"}, table
        assert tenants_in(urls.globex, table) == {"globex"}, table
        assert tenants_in(urls.nobody, table) == set(), table


@pytest.mark.parametrize("face", FACES)
def test_saver_of_another_tenant_is_refused(urls: Urls, face: str) -> None:
    """A role that gives itself out as another tenant writes nothing and finds nothing; so does a role of none."""
    with PostgresSaver(urls.globex, tenant="globex") as globex:
        theirs = fill(globex, "theirs")
    for url, tenant in ((urls.acme, "globex"), (urls.acme, ""), (urls.nobody, "globex"), (urls.nobody, "acme")):
        with PostgresSaver(url, tenant=tenant) as plain:
            saver = FACES[face](plain)
            for thread_id, after in (("t", theirs[-1]), ("u", None)):
                with pytest.raises((StoreUnavailableError, StaleWriterError)):
                    grow(saver, thread_id, after=after)
            assert saver.delete_thread("t") == 0
            assert saver.drop_snapshots("t") == 0
            assert saver.get_snapshot("t", MAIN_BRANCH, upto=9) is None
            assert (saver.list_threads(), saver.branches("t"), saver.tail(), saver.head("t")) == ([], [], [], None)
            assert saver.read("t", MAIN_BRANCH) == []
    with PostgresSaver(urls.owner, tenant="globex") as owner:
        assert unplaced(owner.read("t", MAIN_BRANCH)) == theirs


STATEMENTS = {
    "threads": "UPDATE perdure.threads SET current = 'f', tenant = %s",
    "branches": "UPDATE perdure.branches SET name = 'mine', tenant = %s",
    "snapshots": "UPDATE perdure.snapshots SET payload = '', tenant = %s",
    "copies": "INSERT INTO perdure.threads SELECT created_at, deleted, %s, 'copy', current FROM perdure.threads",
}


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
def test_rows_of_another_tenant_cannot_be_written_with_sql(urls: Urls, statement: str) -> None:
    """Neither can rows be handed to another tenant, nor can another tenant's be changed or removed."""
    with PostgresSaver(urls.acme, tenant="acme") as acme, PostgresSaver(urls.globex, tenant="globex") as globex:
        fill(acme, "ours")
        fill(globex, "theirs")
    with psycopg.connect(urls.acme, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            connection.execute(statement, ["globex"])
        for table in ("threads", "branches", "snapshots"):
            name = sql.Identifier("perdure", table)
            removed = connection.execute(sql.SQL("DELETE FROM {} WHERE tenant = 'globex'").format(name))
            assert removed.rowcount == 0
    for table in KEPT:
        assert tenants_in(urls.owner, table) == {"acme", "globex"}


def test_row_level_security_can_be_added_later_and_again(each_postgres: Cluster) -> None:
    """Turned on over a schema that has rows, and once more, it does the same."""
    with each_postgres.database() as url:
        with PostgresSaver(url, tenant="acme") as acme, PostgresSaver(url, tenant="globex") as globex:
            fill(acme, "ours")
            fill(globex, "theirs")
            for _ in range(2):
                acme.setup(rls=True)
            acme.setup()
        role = add_role(each_postgres, url, "acme")
        assert [tenants_in(role, table) for table in KEPT] == [{"acme"}] * len(KEPT)
