"""The two worlds in which flows are run: threads, and an event loop on connections that a caller lent.

Only here is anything waited for. What is asked, and when it is asked again, is decided in the flows.
"""

import asyncio
from collections.abc import Mapping
from time import sleep
from typing import Any, Generic

from psycopg import AsyncConnection, AsyncCursor, Connection, Cursor, Notify
from psycopg.rows import tuple_row

from perdure_postgres.effects import Effect, Flow, Result, Row
from perdure_postgres.sources import AsyncSource, Source


class Steps(Generic[Result]):
    """A flow on its way: hands out effects, takes replies, and turns what a reply raises over to the flow."""

    result: Result

    def __init__(self, flow: Flow[Result]) -> None:
        self._flow = flow
        self._error: BaseException | None = None
        self.reply: Any = None

    def next(self) -> Effect | None:
        """Return the next effect, None when the flow has returned its `result`."""
        error, self._error = self._error, None
        try:
            return self._flow.send(self.reply) if error is None else self._flow.throw(error)
        except StopIteration as stop:
            self.result = stop.value
            return None

    def __enter__(self) -> None:
        self.reply = None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        self._error = error
        return True


class ThreadHands:
    """Performs effects in this thread."""

    def __init__(self, source: Source | None) -> None:
        self._source = source

    def execute(self, connection: Connection[Any], statement: bytes, params: Mapping[str, Any] | None) -> list[Row]:
        if params is not None and self._source is not None and self._source.direct is not None:
            return self._source.direct.execute(connection, statement, params)
        # Not `connection.cursor()`: a lent connection may have factories of its own.
        cursor = Cursor(connection, row_factory=tuple_row)
        script = params is None  # several statements at once can be neither prepared nor asked for binary values
        cursor.execute(statement, params, prepare=False if script else None, binary=not script)
        return cursor.fetchall() if cursor.description else []

    def take(self, patience: float) -> Connection[Any]:
        assert self._source is not None
        return self._source.take(patience)

    def give_back(self, connection: Connection[Any]) -> None:
        assert self._source is not None
        self._source.give_back(connection)

    def pause(self, seconds: float) -> None:
        sleep(seconds)

    def connect(self, conninfo: str, options: Mapping[str, Any]) -> Connection[Any]:
        return Connection.connect(conninfo, **options)

    def hear(self, connection: Connection[Any], seconds: float) -> list[Notify]:
        return list(connection.notifies(timeout=seconds, stop_after=1))

    def close(self, connection: Connection[Any]) -> None:
        connection.close()


class LoopHands:
    """Performs effects in this event loop."""

    def __init__(self, source: AsyncSource | None) -> None:
        self._source = source

    async def execute(
        self, connection: AsyncConnection[Any], statement: bytes, params: Mapping[str, Any] | None
    ) -> list[Row]:
        cursor = AsyncCursor(connection, row_factory=tuple_row)
        script = params is None
        await cursor.execute(statement, params, prepare=False if script else None, binary=not script)
        return await cursor.fetchall() if cursor.description else []

    async def take(self, patience: float) -> AsyncConnection[Any]:
        assert self._source is not None
        return await self._source.take(patience)

    async def give_back(self, connection: AsyncConnection[Any]) -> None:
        assert self._source is not None
        await self._source.give_back(connection)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def connect(self, conninfo: str, options: Mapping[str, Any]) -> AsyncConnection[Any]:
        return await AsyncConnection.connect(conninfo, **options)

    async def hear(self, connection: AsyncConnection[Any], seconds: float) -> list[Notify]:
        return [one async for one in connection.notifies(timeout=seconds, stop_after=1)]

    async def close(self, connection: AsyncConnection[Any]) -> None:
        await connection.close()


def run(flow: Flow[Result], source: Source | None = None) -> Result:
    """Run a flow in this thread."""
    steps, hands = Steps(flow), ThreadHands(source)
    while effect := steps.next():
        with steps:
            steps.reply = effect.on(hands)
    return steps.result


async def arun(flow: Flow[Result], source: AsyncSource | None = None) -> Result:
    """Run a flow in this task."""
    steps, hands = Steps(flow), LoopHands(source)
    while effect := steps.next():
        with steps:
            steps.reply = await effect.on(hands)
    return steps.result
