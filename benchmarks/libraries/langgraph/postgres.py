"""The PostgreSQL savers, on connections as its documentation recommends them: a pool where several are used at once."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any, Final

from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection, Connection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from benchmarks.libraries.face import Opening, Savers

CONNECTION: Final[dict[str, Any]] = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}


@contextmanager
def saver(opening: Opening) -> Iterator[PostgresSaver]:
    """Open a saver for the sync API."""
    with _connect(opening) as source:
        made = PostgresSaver(source)
        if opening.new:
            made.setup()
        yield made


@asynccontextmanager
async def async_saver(opening: Opening) -> AsyncIterator[AsyncPostgresSaver]:
    """Open a saver for the async API."""
    async with await _connect_async(opening) as source:
        made = AsyncPostgresSaver(source)
        if opening.new:
            await made.setup()
        yield made


def _connect(opening: Opening) -> AbstractContextManager[Connection[DictRow] | ConnectionPool[Connection[DictRow]]]:
    where, many = opening.where, opening.connections
    if many == 1:
        return Connection[DictRow].connect(where, **CONNECTION)
    return ConnectionPool(where, min_size=many, max_size=many, kwargs=CONNECTION, open=True)


async def _connect_async(
    opening: Opening,
) -> AbstractAsyncContextManager[AsyncConnection[DictRow] | AsyncConnectionPool[AsyncConnection[DictRow]]]:
    where, many = opening.where, opening.connections
    if many == 1:
        return await AsyncConnection[DictRow].connect(where, **CONNECTION)
    return AsyncConnectionPool(where, min_size=many, max_size=many, kwargs=CONNECTION, open=False)


SAVERS = Savers(saver, async_saver)
