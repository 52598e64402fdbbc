"""The log is append-only for everybody: the database itself refuses to change or to remove events."""

from collections.abc import Iterator

import psycopg
import pytest

from perdure.events import Kind
from perdure.ids import MAIN_BRANCH
from perdure.testing import FACES, fork, grow
from perdure.testing.conformance.suite import unplaced
from perdure_postgres import PostgresSaver
from tests.postgres.cluster import Cluster

CHANGES = [
    "UPDATE perdure.events SET actor = 'nobody'",
    "UPDATE perdure.events SET position = position",
    "DELETE FROM perdure.events",
    "DELETE FROM perdure.events WHERE seq = 1",
    "TRUNCATE perdure.events",
    "TRUNCATE perdure.events CASCADE",
    "TRUNCATE perdure.threads, perdure.branches, perdure.events",
    "WITH gone AS (DELETE FROM perdure.events RETURNING 1) SELECT count(*) FROM gone",
    "INSERT INTO perdure.events SELECT * FROM perdure.events"
    " ON CONFLICT (tenant, branch_no, seq) DO UPDATE SET actor = 'nobody'",
]


@pytest.fixture(params=[None, 3], ids=["whole", "partitioned"])
def url(request: pytest.FixtureRequest, each_postgres: Cluster) -> Iterator[str]:
    """A database with a thread of three events on `main` and two on a fork, and another of twenty."""
    with each_postgres.database() as url:
        with PostgresSaver(url) as saver:
            saver.setup(partitions=request.param)
            fork(saver, "f", at=grow(saver, "t", 3)[0], count=2)
            grow(saver, "u", 20)
        yield url


def refuse(connection: psycopg.Connection[tuple[object, ...]], change: str) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        connection.execute(change)


def test_changes_are_refused(url: str, each_postgres: Cluster) -> None:
    """For the owner of the tables, and for the administrator."""
    with psycopg.connect(url, autocommit=True) as owner, each_postgres.admin(url) as admin:
        before = owner.execute("SELECT * FROM perdure.events ORDER BY position").fetchall()
        parts = owner.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'perdure.events'::regclass"
        )
        for connection in (owner, admin):
            for change in CHANGES:
                refuse(connection, change)
            for (part,) in parts.fetchall():
                refuse(connection, f"TRUNCATE {part}")
        refuse(owner, "MERGE INTO perdure.events e USING perdure.threads t ON true WHEN MATCHED THEN DELETE")
        assert owner.execute("SELECT * FROM perdure.events ORDER BY position").fetchall() == before
        assert len(before) == 25


@pytest.mark.parametrize("face", FACES)
def test_deleting_a_thread_works_and_opens_no_door(url: str, face: str) -> None:
    """The saver removes a thread; afterwards, on the same connection, nobody can remove an event."""
    with psycopg.connect(url, autocommit=True) as connection, PostgresSaver(url, pool_config={"max_size": 1}) as plain:
        saver = FACES[face](plain)
        assert saver.delete_thread("t") == 5
        assert [one.kind for one in saver.read("t", MAIN_BRANCH)] == [Kind.THREAD_DELETED]
        refuse(connection, "DELETE FROM perdure.events")
        left = unplaced(saver.read("u", MAIN_BRANCH))
        assert len(left) == 20
        assert PostgresSaver(connection).delete_thread("u") == 20
        refuse(connection, "DELETE FROM perdure.events")
        with connection.transaction():
            grow(PostgresSaver(connection), "v", 2)
            assert PostgresSaver(connection).delete_thread("v") == 2
            with pytest.raises(psycopg.errors.RestrictViolation), connection.transaction():
                connection.execute("DELETE FROM perdure.events")
