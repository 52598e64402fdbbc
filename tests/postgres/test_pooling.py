"""Behind a transaction pooler: nothing that a session remembers is relied on, for the next transaction has another."""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from perdure import END, START, Command, StateGraph, interrupt
from perdure.testing import FACES, grow
from perdure.testing.conformance import MakeSaver
from perdure.testing.conformance.deleting import DeleteClauses
from perdure.testing.conformance.suite import unplaced
from perdure_postgres import PostgresSaver
from tests.postgres.pooler import find_pgbouncer


class Forgetful(psycopg.Connection[Any]):
    """A connection whose session forgets everything after each transaction, as a pooler makes it."""

    forgotten = 0

    def wait(self, *args: Any, **options: Any) -> Any:
        try:
            return super().wait(*args, **options)
        finally:
            if not self.closed and self.pgconn.transaction_status == TransactionStatus.IDLE:
                self.pgconn.exec_(b"DISCARD ALL")
                Forgetful.forgotten += 1


WAYS = ["forgetful", *(["pgbouncer"] if find_pgbouncer() else [])]
"""A session that forgets can be had everywhere; pgbouncer where it is installed."""


@pytest.fixture(params=WAYS)
def make_saver(request: pytest.FixtureRequest, postgres_url: str) -> MakeSaver:
    if request.param == "pgbouncer":
        return partial(PostgresSaver, request.getfixturevalue("pooled_url"))
    return partial(PostgresSaver, postgres_url, prepare=False, pool_config={"connection_class": Forgetful})


class TestPooled(DeleteClauses):
    """A deletion is a transaction of many statements, with a setting of its own: all of its clauses hold."""

    @pytest.fixture
    def make_saver(self, make_saver: MakeSaver) -> MakeSaver:
        return make_saver


@pytest.fixture
def saver(make_saver: MakeSaver) -> Iterator[PostgresSaver]:
    saver = make_saver()
    assert isinstance(saver, PostgresSaver)
    with saver:
        yield saver


def asks(state: dict[str, Any]) -> dict[str, Any]:
    return {"answers": [*state["answers"], interrupt("name?")]}


@pytest.mark.parametrize("face", FACES)
def test_graph_runs_and_goes_on(saver: PostgresSaver, face: str) -> None:
    """A run that asks, its answer, a fork, and the whole log verified; also the schema was made through the pooler."""
    graph = StateGraph(dict).add_node("ask", asks).add_edge(START, "ask").add_edge("ask", END)
    place: Any = {"thread_id": "t"}
    compiled = graph.compile(FACES[face](saver))
    compiled.invoke({"answers": []}, place)
    old = compiled.get_state(place).config
    assert compiled.invoke(Command(resume="Ada"), place)["answers"] == ["Ada"]
    compiled.update_state(old, {"answers": ["before"]})
    assert compiled.thread("t").verify()
    assert len(compiled.thread("t").branches()) == 2


def test_many_tasks_at_once(saver: PostgresSaver) -> None:
    """More callers than the pooler has connections to the server."""

    async def session() -> None:
        async def one(name: str) -> None:
            records = await asyncio.to_thread(grow, saver, name, 3)
            assert unplaced(await saver.aread(name, "main")) == records

        await asyncio.gather(*(one(f"t{number}") for number in range(40)))

    asyncio.run(session())
    assert len(saver.list_threads()) == 40


def test_setting_up_with_everything(make_saver: MakeSaver) -> None:
    """Locks that migrations take are of transactions, never of sessions."""
    saver = make_saver()
    assert isinstance(saver, PostgresSaver)
    with saver:
        saver.setup(rls=True, partitions=2)
        asyncio.run(saver.asetup(rls=True, partitions=2))
        grow(saver, "t")


def grow_many(saver: PostgresSaver) -> None:
    for number in range(10):
        grow(saver, f"u{number}")


def test_session_that_forgets_is_asked_again(postgres_url: str) -> None:
    """What was prepared is gone with the session; the saver prepares it anew."""
    forgotten = Forgetful.forgotten
    with PostgresSaver(postgres_url, prepare=True, pool_config={"connection_class": Forgetful}) as saver:
        grow_many(saver)
        assert len(saver.list_threads()) == 10
    assert Forgetful.forgotten > forgotten
