"""LangGraph, as the workloads see it. Its SQLite savers set WAL themselves; FULL is set (and checked) here."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

import aiosqlite
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph

from benchmarks.libraries.face import Foreign, Library, SaverKind

SET_FULL: Final = "PRAGMA synchronous=FULL"
ASK: Final = "PRAGMA synchronous"
FULL: Final = (2,)


@contextmanager
def saver(kind: SaverKind, path: Path) -> Iterator[Foreign]:
    """Open a saver for the sync API."""
    if kind != "sqlite":
        yield InMemorySaver() if kind == "memory" else None
        return
    with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
        connection.execute(SET_FULL)
        made = SqliteSaver(connection)
        made.setup()
        assert connection.execute(ASK).fetchone() == FULL
        yield made


@asynccontextmanager
async def async_saver(kind: SaverKind, path: Path) -> AsyncIterator[Foreign]:
    """Open a saver for the async API."""
    if kind != "sqlite":
        yield InMemorySaver() if kind == "memory" else None
        return
    async with aiosqlite.connect(path) as connection:
        await connection.execute(SET_FULL)
        made = AsyncSqliteSaver(connection)
        await made.setup()
        async with connection.execute(ASK) as answer:
            assert await answer.fetchone() == FULL
        yield made


LIBRARY = Library("langgraph", version("langgraph"), StateGraph, START, END, saver, async_saver)
