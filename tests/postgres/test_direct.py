"""Statements without a cursor: values go in and come out as they are, and errors are those of the driver."""

import threading
import time

import psycopg
import pytest

from perdure.errors import StoreUnavailableError
from perdure.events import Record
from perdure.testing.records import BLANK, grow, write_records
from perdure_postgres import PostgresSaver
from perdure_postgres.effects import ask
from tests.postgres.cluster import Cluster

KINDS = ['a"b', "back\\slash", "{curly}", "comma,comma", "NULL", "", " space ", "'quote'", "\u6f22\U0001f980", "%s %%"]


def test_kinds_of_any_text_are_found(postgres_url: str) -> None:
    """A list is written as PostgreSQL's text of an array, whatever stands in it."""
    with PostgresSaver(postgres_url, schema="odd % schema") as saver:
        last: Record | None = None
        for seq, kind in enumerate(KINDS):
            records = write_records("t", like=BLANK._replace(kind=kind), after=last)
            saver.append("t", "main", expected_seq=seq, records=records)
            last = records[-1]
        for kind in KINDS:
            assert [record.kind for record in saver.read("t", "main", kinds=[kind])] == [kind]
        assert [record.kind for record in saver.read("t", "main", kinds=KINDS)] == KINDS
        assert saver.read("t", "main", kinds=["absent"]) == []
        assert saver.read("t", "main", kinds=[]) == []


def test_every_statement_is_prepared_once_a_connection(postgres_url: str) -> None:
    """Long threads, large numbers and missing values make no second plan."""
    with PostgresSaver(postgres_url, prepare=True, pool_config={"max_size": 1}) as saver:
        last = grow(saver, "t", 2)[-1]
        for count in (3, 40_000, 5, 7, 9):
            last = grow(saver, "t", count, after=last)[-1]
        for limit in (None, 1, 70_000, 2, 3):
            saver.read("t", "main", after=limit or 0, limit=limit)

        statement = b"SELECT name, statement FROM pg_prepared_statements"
        prepared = saver._store.run(lambda connection: ask(connection, statement))
        assert len(prepared) == 2
        assert len({statement for _, statement in prepared}) == 2


def test_a_statement_that_waits_can_be_interrupted(postgres: Cluster, postgres_url: str) -> None:
    """A cancel that reaches the server is a typed error, and the connection is used again."""
    with PostgresSaver(postgres_url, pool_config={"max_size": 1}) as saver:
        first = grow(saver, "t", 2)
        with psycopg.connect(postgres.admin_url_of(postgres_url)) as holder:
            holder.execute("LOCK TABLE perdure.events")
            canceller = threading.Timer(0.3, cancel, [postgres, postgres_url])
            canceller.start()
            started = time.monotonic()
            with pytest.raises(StoreUnavailableError, match="cancelled"):
                saver.append("t", "main", expected_seq=2, records=write_records("t", after=first[-1]))
            assert time.monotonic() - started < 20
            canceller.join()
        assert len(grow(saver, "t", after=first[-1])) == 1


def cancel(postgres: Cluster, url: str) -> None:
    deadline = time.monotonic() + 15
    with postgres.admin(url) as connection:
        while time.monotonic() < deadline:
            found = connection.execute(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()"
            ).fetchall()
            if found:
                return
            time.sleep(0.02)
