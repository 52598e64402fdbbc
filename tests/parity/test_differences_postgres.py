"""Where the PostgreSQL savers differ on purpose: rows of docs/explanation/differences.md, seen on both."""

import warnings
from collections.abc import Iterator
from typing import Any, TypedDict

import psycopg
import pytest

import perdure
from perdure import START, open_saver
from perdure_postgres import PostgresSaver
from tests.postgres.cluster import Cluster

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import langgraph.graph
    from langgraph.checkpoint.postgres import PostgresSaver as Theirs

PLACE: Any = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    texts: list[str]


def graph(library: Any, saver: Any) -> Any:
    """Return a small graph of either library."""
    builder = library.StateGraph(State).add_node("say", lambda _: {"texts": ["said"]})
    return builder.add_edge(START, "say").compile(checkpointer=saver)


@pytest.fixture
def theirs(postgres_url: str) -> Iterator[Theirs]:
    with Theirs.from_conn_string(postgres_url) as saver:
        saver.setup()
        yield saver


def test_schema_makes_itself(postgres_url: str) -> None:
    """Nobody has to call `setup`."""
    with Theirs.from_conn_string(postgres_url) as saver, pytest.raises(psycopg.errors.UndefinedTable):
        graph(langgraph.graph, saver).invoke({}, PLACE)
    with open_saver(postgres_url) as ours:
        assert graph(perdure, ours).invoke({}, PLACE) == {"texts": ["said"]}


def test_saver_outlives_its_connections(postgres: Cluster, postgres_url: str, theirs: Theirs) -> None:
    """A server that ends its sessions, as a restart does, costs nobody an error."""
    with PostgresSaver(postgres_url) as ours:
        for library, saver in ((langgraph.graph, theirs), (perdure, ours)):
            graph(library, saver).invoke({}, PLACE)
        with postgres.admin(postgres_url) as admin:
            admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        for _ in range(2):
            with pytest.raises(psycopg.OperationalError):
                graph(langgraph.graph, theirs).invoke({}, PLACE)
        graph(perdure, ours).invoke({}, PLACE)


def test_what_is_stored_cannot_be_changed(postgres_url: str, theirs: Theirs) -> None:
    """An update of what happened is refused by the database."""
    graph(langgraph.graph, theirs).invoke({}, PLACE)
    with PostgresSaver(postgres_url) as ours:
        graph(perdure, ours).invoke({}, PLACE)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        assert connection.execute("update checkpoints set metadata = '{}'").rowcount > 0
        with pytest.raises(psycopg.errors.RestrictViolation):
            connection.execute("update perdure.events set actor = 'nobody'")


def test_values_are_readable_by_sql(postgres_url: str, theirs: Theirs) -> None:
    """A list that a node wrote stands in the log as JSON."""
    graph(langgraph.graph, theirs).invoke({}, PLACE)
    with PostgresSaver(postgres_url) as ours:
        graph(perdure, ours).invoke({}, PLACE)
    with psycopg.connect(postgres_url) as connection:
        types = connection.execute("select type, pg_typeof(blob)::text from checkpoint_blobs where channel = 'texts'")
        assert set(types.fetchall()) == {("msgpack", "bytea")}
        wrote = connection.execute(
            "select payload #>> '{writes,0}' from perdure.event_log where kind = 'TaskSucceeded'"
        )
        assert wrote.fetchall() == [('["texts",["said"]]',)]
