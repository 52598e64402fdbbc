"""Where connections come from: a pool of ours, a pool that was lent, or one connection that was lent.

Here: owning, opening, forking and closing. Not here: what is run on a connection (`worlds`, `effects`).
"""

import asyncio
import os
from collections.abc import Mapping
from threading import Lock
from time import monotonic
from typing import Any, Final, TypeAlias
from weakref import finalize

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from perdure.errors import ClosedError, StoreUnavailableError
from perdure_postgres.direct import PREPARE_AFTER, Direct

SyncConnection: TypeAlias = psycopg.Connection[Any]
POOL_CONFIG: Final[Mapping[str, Any]] = {"min_size": 1, "max_size": 10, "max_idle": 300.0, "reconnect_timeout": 2.0}
"""What `psycopg_pool.ConnectionPool` gets unless the caller says otherwise. It may give up soon, because whoever next
needs a connection makes it try again at once; its own pauses grow to minutes."""
LOOK_AGAIN: Final = 1.0
"""Seconds to wait for the pool before asking the server itself."""
IN_USE: Final = "The lent connection is in use; lend a pool where several threads or tasks work at once."
_orphans: list[object] = []
"""Pools that a fork left behind: their sessions are the parent's, and closing them here would end them."""


def _close_forgotten(pool: "ConnectionPool[SyncConnection]", pid: int) -> None:
    """Close the pool of a saver that nobody closed."""
    if pid == os.getpid():
        pool.close(timeout=2)


class OwnPool:
    """A pool of ours, opened on first use, one for each process."""

    def __init__(
        self, conninfo: str, config: Mapping[str, Any], options: Mapping[str, Any], prepare: bool | None
    ) -> None:
        """Open nothing yet. `prepare`: let the driver prepare statements, or (None) unless a pooler is in between."""
        self._conninfo = conninfo
        self._prepare = prepare
        self._config = {**POOL_CONFIG, **config}
        self._config.pop("kwargs", None)
        self._options = dict(options)
        self._locks: dict[int, Lock] = {}
        self._pool: ConnectionPool[SyncConnection] | None = None
        self._out: set[SyncConnection] = set()
        self._extra: set[SyncConnection] = set()
        """Those of `_out` that the pool knows nothing of."""
        self._asking = Lock()
        self._pid = 0
        self._closed = False
        self.direct: Direct | None = None
        """How statements are executed on the pool's connections, once there is a pool."""

    def take(self, patience: float) -> SyncConnection:
        """Return a connection that nobody else uses."""
        pool = self._pool if self._pid == os.getpid() else None
        if pool is None:
            pool = self._open(patience)
        deadline = monotonic() + patience
        while True:
            try:
                connection = pool.getconn(min(LOOK_AGAIN, patience))
            except PoolTimeout:
                # The pool does not say why it has none. If not all are out, ask the server itself: it says why, or its
                # answer is a connection, while the pool still pauses before its next attempt.
                extra = self._ask_the_server(pool)
                if extra is not None:
                    return extra
                if monotonic() >= deadline:
                    raise
            else:
                self._out.add(connection)
                return connection

    def _ask_the_server(self, pool: "ConnectionPool[SyncConnection]") -> SyncConnection | None:
        """Return a connection that the pool knows nothing of; None when all are out, or another thread asks."""
        if len(self._out) >= pool.max_size or not self._asking.acquire(blocking=False):
            return None
        try:
            connection = self._connect()
            self._extra.add(connection)
            self._out.add(connection)
            return connection
        finally:
            self._asking.release()

    def give_back(self, connection: SyncConnection) -> None:
        """Let others have the connection."""
        self._out.discard(connection)
        pool = self._pool
        if pool is None or connection in self._extra:
            self._extra.discard(connection)
            connection.close()
        else:
            pool.putconn(connection)

    def close(self) -> None:
        """Close the pool; what is in use is closed when it comes back."""
        with self._lock():
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None and self._pid == os.getpid():
            pool.close()

    def _open(self, patience: float) -> "ConnectionPool[SyncConnection]":
        lock = self._lock()
        if not lock.acquire(timeout=patience):
            raise PoolTimeout("the first connection is still being made")
        try:
            if self._closed:
                raise ClosedError
            if self._pid != os.getpid():
                if self._pool is not None:
                    _orphans.append(self._pool)
                self._pool, self._pid = None, os.getpid()
                self._out, self._extra, self._asking = set(), set(), Lock()
            if self._pool is None:
                # Alone first: a wrong password is an error at once, where the pool would try again and again.
                with self._connect() as first:
                    prepares = is_direct(first) if self._prepare is None else self._prepare
                    self.direct = Direct(prepare=prepares) if first.info.encoding == "utf-8" else None
                self._options = {"prepare_threshold": PREPARE_AFTER if prepares else None, **self._options}
                self._pool = ConnectionPool(self._conninfo, kwargs=self._options, open=True, **self._config)
                finalize(self, _close_forgotten, self._pool, self._pid)
            return self._pool
        finally:
            lock.release()

    def _lock(self) -> Lock:
        # One for each process: another thread may have held the parent's when it forked.
        return self._locks.setdefault(os.getpid(), Lock())

    def _connect(self) -> SyncConnection:
        return psycopg.connect(self._conninfo, **self._options)


def is_direct(connection: SyncConnection) -> bool:
    """Tell whether the server's own process answers, and no pooler that may put another in its place."""
    found = psycopg.Cursor(connection, row_factory=tuple_row).execute("SELECT pg_backend_pid()").fetchone()
    return found is not None and found[0] == connection.info.backend_pid


class LentPool:
    """A pool of the caller's, never closed here. Its connections commit by themselves while they are ours."""

    direct = None

    def __init__(self, pool: "ConnectionPool[Any]") -> None:
        self._pool = pool
        self._changed: set[SyncConnection] = set()

    def take(self, patience: float) -> SyncConnection:
        """Return a connection that nobody else uses."""
        connection: SyncConnection = self._pool.getconn(patience)
        try:
            if not connection.autocommit:
                connection.autocommit = True
                self._changed.add(connection)
        except BaseException:
            self._pool.putconn(connection)
            raise
        return connection

    def give_back(self, connection: SyncConnection) -> None:
        """Give it back as it was."""
        try:
            if connection in self._changed and not connection.closed:
                connection.rollback()
                connection.autocommit = False
        finally:
            self._changed.discard(connection)
            self._pool.putconn(connection)

    def close(self) -> None:
        """Leave the pool to its owner."""


class LentConnection:
    """A connection of the caller's, used by one thread at a time, never committed and never closed here."""

    direct = None

    def __init__(self, connection: SyncConnection) -> None:
        self._connection = connection
        self._lock = Lock()

    def take(self, patience: float) -> SyncConnection:
        """Return the connection when nobody else uses it."""
        if not self._lock.acquire(timeout=patience):
            raise StoreUnavailableError(IN_USE)
        return self._connection

    def give_back(self, _: SyncConnection) -> None:
        """Let the next thread have it."""
        self._lock.release()

    def close(self) -> None:
        """Leave the connection to its owner."""


class AsyncLentPool:
    """An async pool of the caller's, never closed here."""

    def __init__(self, pool: "AsyncConnectionPool[Any]") -> None:
        self._pool = pool
        self._changed: set[AsyncConnection[Any]] = set()

    async def take(self, patience: float) -> AsyncConnection[Any]:
        """Return a connection that no other task uses."""
        connection: AsyncConnection[Any] = await self._pool.getconn(patience)
        try:
            if not connection.autocommit:
                await connection.set_autocommit(True)
                self._changed.add(connection)
        except BaseException:
            await self._pool.putconn(connection)
            raise
        return connection

    async def give_back(self, connection: AsyncConnection[Any]) -> None:
        """Give it back as it was."""
        try:
            if connection in self._changed and not connection.closed:
                await connection.rollback()
                await connection.set_autocommit(False)
        finally:
            self._changed.discard(connection)
            await self._pool.putconn(connection)


class AsyncLentConnection:
    """An async connection of the caller's, used by one task at a time, never committed and never closed here."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()

    async def take(self, patience: float) -> AsyncConnection[Any]:
        """Return the connection when no other task uses it."""
        try:
            async with asyncio.timeout(patience):
                await self._lock.acquire()
        except TimeoutError:
            raise StoreUnavailableError(IN_USE) from None
        return self._connection

    async def give_back(self, _: AsyncConnection[Any]) -> None:
        """Let the next task have it."""
        self._lock.release()


Source: TypeAlias = OwnPool | LentPool | LentConnection
AsyncSource: TypeAlias = AsyncLentPool | AsyncLentConnection
