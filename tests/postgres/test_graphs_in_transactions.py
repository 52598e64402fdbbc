"""A whole graph in the application's transaction: what its nodes write there is kept or undone with its log."""

import asyncio
import operator
from collections.abc import Iterator
from inspect import iscoroutinefunction
from typing import Annotated, Any, TypedDict

import psycopg
import pytest
from psycopg import AsyncConnection

from perdure import END, START, Command, CompiledGraph, Send, StateGraph, interrupt
from perdure.ports import Saver
from perdure_postgres import PostgresSaver

CONFIG: Any = {"thread_id": "shopping"}


class Basket(TypedDict):
    items: Annotated[list[str], operator.add]


@pytest.fixture
def url(postgres_url: str) -> str:
    with PostgresSaver(postgres_url) as saver:
        saver.setup()
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE orders (item text PRIMARY KEY)")
    return postgres_url


@pytest.fixture
def looker(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Somebody else, who sees what was committed."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def orders(looker: psycopg.Connection[Any]) -> list[str]:
    return [row[0] for row in looker.execute("SELECT item FROM orders ORDER BY item")]


def shopping(saver: Saver, order: Any, *, asks: bool = False) -> CompiledGraph:
    """Order three things side by side, then one more."""

    def finish(_: Basket) -> Any:
        return order(interrupt("and?") if asks else "sugar")

    async def afinish(state: Basket) -> Any:
        return await finish(state)

    builder = StateGraph(Basket).add_node("order", order)
    builder.add_node("finish", afinish if iscoroutinefunction(order) else finish)
    builder.add_conditional_edges(
        START, lambda _: [Send("order", item) for item in ("milk", "tea", "bread")], ["order"]
    )
    return builder.add_edge("order", "finish").add_edge("finish", END).compile(saver)


def buying(connection: psycopg.Connection[Any]) -> Any:
    def order(item: str) -> dict[str, list[str]]:
        connection.execute("INSERT INTO orders VALUES (%s)", [item])
        return {"items": [item]}

    return order


def abuying(connection: AsyncConnection[Any]) -> Any:
    async def order(item: str) -> dict[str, list[str]]:
        await connection.execute("INSERT INTO orders VALUES (%s)", [item])
        return {"items": [item]}

    return order


ALL = ["bread", "milk", "sugar", "tea"]


@pytest.mark.parametrize("commits", [True, False])
def test_graph_is_part_of_the_transaction(url: str, looker: psycopg.Connection[Any], commits: bool) -> None:
    """Its log and its nodes' rows are committed together, or never were."""
    with PostgresSaver(url) as saver, psycopg.connect(url) as connection:
        with connection.transaction(force_rollback=not commits):
            graph = shopping(PostgresSaver(connection), buying(connection))
            assert sorted(graph.invoke({"items": []}, CONFIG)["items"]) == ALL
            assert graph.thread("shopping").verify()
            assert orders(looker) == []
            assert saver.list_threads() == []
        assert orders(looker) == (ALL if commits else [])
        assert [one.thread_id for one in saver.list_threads()] == (["shopping"] if commits else [])
        if commits:
            assert shopping(saver, buying(connection)).thread("shopping").verify()


@pytest.mark.parametrize("commits", [True, False])
def test_async_graph_is_part_of_the_transaction(url: str, looker: psycopg.Connection[Any], commits: bool) -> None:
    """The same with tasks on an async connection."""

    async def session() -> None:
        connecting = AsyncConnection.connect(url)
        async with await connecting as connection, connection.transaction(force_rollback=not commits):
            graph = shopping(PostgresSaver(connection), abuying(connection))
            assert sorted((await graph.ainvoke({"items": []}, CONFIG))["items"]) == ALL
            assert orders(looker) == []

    asyncio.run(session())
    assert orders(looker) == (ALL if commits else [])
    with PostgresSaver(url) as saver:
        assert [one.thread_id for one in saver.list_threads()] == (["shopping"] if commits else [])


def test_failure_undoes_what_was_done_before_it(url: str, looker: psycopg.Connection[Any]) -> None:
    """An error that leaves the block takes all with it: there is nothing to go on with, and nothing was ordered."""
    with psycopg.connect(url) as connection:
        graph = shopping(PostgresSaver(connection), buying(connection))
        connection.commit()

        def order_and_fail() -> None:
            with connection.transaction():
                connection.execute("INSERT INTO orders VALUES ('coffee')")
                graph.invoke({"items": []}, CONFIG)
                raise ConnectionAbortedError

        with pytest.raises(ConnectionAbortedError):
            order_and_fail()
        assert graph.get_state(CONFIG).metadata is None
    assert orders(looker) == []


@pytest.mark.parametrize("answers", [True, False])
def test_one_transaction_asks_and_another_answers(url: str, looker: psycopg.Connection[Any], answers: bool) -> None:
    """What was committed before an answer stays, with what was ordered until then, when the answer is undone."""
    with psycopg.connect(url) as connection:
        graph = shopping(PostgresSaver(connection), buying(connection), asks=True)
        with connection.transaction():
            graph.invoke({"items": []}, CONFIG)
        assert orders(looker) == ["bread", "milk", "tea"]
        with connection.transaction(force_rollback=not answers):
            graph.invoke(Command(resume="sugar"), CONFIG)
    assert orders(looker) == (ALL if answers else ["bread", "milk", "tea"])
    with PostgresSaver(url) as saver, psycopg.connect(url) as connection:
        graph = shopping(saver, buying(connection), asks=True)
        assert [question.value for question in graph.get_state(CONFIG).interrupts] == ([] if answers else ["and?"])
        assert graph.thread("shopping").verify()
        if not answers:
            connection.autocommit = True
            assert sorted(graph.invoke(Command(resume="sugar"), CONFIG)["items"]) == ALL


def test_node_that_appends_to_another_thread(url: str, looker: psycopg.Connection[Any]) -> None:
    """A node's own transaction can hold another thread's run, while its own is logged outside of it."""
    with PostgresSaver(url) as saver:

        def order(item: str) -> dict[str, list[str]]:
            with psycopg.connect(url) as connection, connection.transaction(force_rollback=item == "tea"):
                inner = shopping(PostgresSaver(connection), buying(connection))
                connection.execute("INSERT INTO orders VALUES (%s)", [f"for {item}"])
                inner.update_state({"configurable": {"thread_id": f"note of {item}"}}, {"items": [item]})
            return {"items": [item]}

        graph = shopping(saver, order)
        assert sorted(graph.invoke({"items": []}, CONFIG)["items"]) == ALL
        assert orders(looker) == ["for bread", "for milk", "for sugar"]
        expected = ["note of bread", "note of milk", "note of sugar", "shopping"]
        assert [one.thread_id for one in saver.list_threads()] == expected
