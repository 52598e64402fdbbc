"""The SQLite savers. They set WAL themselves; FULL is set (and checked) here."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from typing import Final

import aiosqlite
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from benchmarks.libraries.face import Opening, Savers

SET_FULL: Final = "PRAGMA synchronous=FULL"
ASK: Final = "PRAGMA synchronous"
FULL: Final = (2,)


@contextmanager
def saver(opening: Opening) -> Iterator[SqliteSaver]:
    """Open a saver for the sync API."""
    with closing(sqlite3.connect(opening.where, check_same_thread=False)) as connection:
        connection.execute(SET_FULL)
        made = SqliteSaver(connection)
        if opening.new:
            made.setup()
        assert connection.execute(ASK).fetchone() == FULL
        yield made


@asynccontextmanager
async def async_saver(opening: Opening) -> AsyncIterator[AsyncSqliteSaver]:
    """Open a saver for the async API."""
    async with aiosqlite.connect(opening.where) as connection:
        await connection.execute(SET_FULL)
        made = AsyncSqliteSaver(connection)
        if opening.new:
            await made.setup()
        async with connection.execute(ASK) as answer:
            assert await answer.fetchone() == FULL
        yield made


SAVERS = Savers(saver, async_saver)
