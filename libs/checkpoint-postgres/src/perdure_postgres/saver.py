"""`PostgresSaver`: the port over one PostgreSQL schema, for sync and async code alike.

Here: the port's methods, each handing one flow to the store. Not here: SQL (`statements`), what an operation does
(`append`, `reading`, `keeping`), connections (`store`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, Self

from perdure.append_rules import check_append, check_name, check_tenant
from perdure.events import Record
from perdure.ports import Branch, Current, Head, Saver, Snapshot, ThreadInfo
from perdure_postgres import keeping, reading
from perdure_postgres.append import Append, append
from perdure_postgres.effects import Connection, Job, Result
from perdure_postgres.keeping import Deletion
from perdure_postgres.reading import Window
from perdure_postgres.schema import DEFAULT_SCHEMA
from perdure_postgres.store import Lent, Store, Terms
from perdure_postgres.worlds import arun, run

PAGE: Final = 1000
"""Records that those who follow read at once."""


class PostgresSaver(Saver):
    """Keeps logs and snapshots in one schema of a PostgreSQL database, which many processes share.

    Sync methods work in the calling thread, on a pool of connections. Async ones go to a writing thread that sends
    what waits in one statement, or to a few reading threads, and so serve any number of event loops. A lent
    `AsyncConnection` or `AsyncConnectionPool` serves the async methods only, where they are awaited.
    """

    def __init__(
        self,
        source: str | Lent,
        *,
        schema: str = DEFAULT_SCHEMA,
        tenant: str = "",
        auto_setup: bool = True,
        timeout: float = 30.0,
        prepare: bool | None = None,
        notify: bool = False,
        pool_config: Mapping[str, Any] | None = None,
    ) -> None:
        """Name the database; nothing is opened before it is used.

        Args:
            source: A URL or libpq connection string, or a connection or pool of psycopg, which is never closed here. On
                a lent connection everything is part of the transaction that is open there: its owner commits.
            schema: Where the tables stand; created when it is missing.
            tenant: Whose threads these are; other tenants' threads in the same schema are out of sight.
            auto_setup: Create and migrate the schema on first use; if not, `setup()` must be called once.
            timeout: Seconds to wait for a free connection, and for a server that went away to come back.
            prepare: Let the driver prepare statements. By default it does unless a pooler is found between here and the
                server, since that may hand the server's connection to another client after each transaction.
            notify: Wake those who `follow` after each append on a pool (a notification every 10 ms at most, by a thread
                and in a transaction of its own); without it, and on a lent connection, they look as often as they poll.
            pool_config: What `psycopg_pool.ConnectionPool` is to be given (`min_size`, `max_size`, …; `kwargs` for
                the connections).
        """
        self.tenant = check_tenant(tenant)
        terms = Terms(schema, auto_setup, timeout, prepare, notify, pool_config or {})
        self._store = Store(source, self.tenant, terms)
        self._shelf = self._store.shelf

    @classmethod
    def from_conn_string(cls, conn_string: str) -> Self:
        """Return a saver for a URL or a libpq connection string: used directly, in `with`, or in `async with`."""
        return cls(conn_string)

    # -- the log -------------------------------------------------------------------------------------------------

    def append(
        self,
        thread_id: str,
        branch: str,
        *,
        expected_seq: int,
        records: Sequence[Record],
        opens: Branch | None = None,
        current: Current = "any",
        connection: Connection | None = None,
    ) -> int:
        """`Saver.append`; with `connection`, as a part of the transaction that is open there (its owner commits)."""
        check_append(thread_id, branch, expected_seq, records, opens)
        asked = Append(self._shelf, thread_id, branch, expected_seq, records, opens, current)
        if connection is not None:
            return self._store.run(partial(append, asked=asked), on=connection)
        return self._store.append(asked)

    def read(
        self,
        thread_id: str,
        branch: str,
        *,
        after: int = 0,
        upto: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
        kinds: Sequence[str] | None = None,
    ) -> list[Record]:
        return self._store.run(self._window(thread_id, branch, Window(after, upto, limit, newest_first, kinds)))

    def head(self, thread_id: str, branch: str | None = None) -> Head | None:
        return self._store.run(self._about(thread_id, reading.head, branch=branch))

    def branches(self, thread_id: str) -> list[Branch]:
        return self._store.run(self._about(thread_id, reading.branches))

    def tail(self, *, after: int = 0, limit: int = 1000) -> list[Record]:
        return self._store.run(partial(reading.tail, shelf=self._shelf, after=after, limit=limit))

    def follow(self, *, after: int = 0, poll: float = 1.0) -> Iterator[Record]:
        """Yield what `tail` returns, and what is appended later, for ever.

        Looks whenever a saver with `notify=True` has appended, and every `poll` seconds.
        """
        ear = self._store.listen(after)
        try:
            while True:
                yield from (page := self.tail(after=ear.after, limit=PAGE))
                run(ear.wait_beyond(page, poll))
        finally:
            run(ear.close())

    # -- snapshots -----------------------------------------------------------------------------------------------

    def put_snapshot(self, thread_id: str, snapshot: Snapshot) -> None:
        self._store.run(self._about(thread_id, keeping.put_snapshot, snapshot=snapshot))

    def get_snapshot(self, thread_id: str, branch: str, *, upto: int) -> Snapshot | None:
        return self._store.run(self._about(thread_id, keeping.get_snapshot, branch=branch, upto=upto))

    def drop_snapshots(self, thread_id: str) -> int:
        return self._store.run(self._about(thread_id, keeping.drop_snapshots))

    # -- threads -------------------------------------------------------------------------------------------------

    def list_threads(self, *, after: str = "", limit: int = 100) -> list[ThreadInfo]:
        return self._store.run(partial(reading.list_threads, shelf=self._shelf, after=after, limit=limit))

    def delete_thread(self, thread_id: str, *, actor: str = "", reason: str | None = None) -> int:
        return self._store.run(self._about(thread_id, keeping.delete_thread, deletion=Deletion(actor, reason)))

    # -- life ----------------------------------------------------------------------------------------------------

    def setup(self, *, rls: bool = False, partitions: int | None = None) -> None:
        """Create or migrate the schema.

        Args:
            rls: Shut each tenant's rows off from roles that do not own the tables: such a role sees and writes the rows
                of the tenant that it has set (`ALTER ROLE acme SET perdure.tenant = 'acme'`), and no other.
            partitions: Split events and snapshots by hash into so many tables; to be said when the schema is created.
        """
        self._store.setup(rls=rls, partitions=partitions)

    def close(self) -> None:
        """Serve what async callers asked before, then close what this saver opened."""
        self._store.close()

    # -- the same, async -----------------------------------------------------------------------------------------

    async def aappend(
        self,
        thread_id: str,
        branch: str,
        *,
        expected_seq: int,
        records: Sequence[Record],
        opens: Branch | None = None,
        current: Current = "any",
        connection: Connection | None = None,
    ) -> int:
        """`append`, async."""
        check_append(thread_id, branch, expected_seq, records, opens)
        asked = Append(self._shelf, thread_id, branch, expected_seq, records, opens, current)
        if connection is not None:
            return await self._store.arun(partial(append, asked=asked), on=connection)
        return await self._store.aappend(asked)

    async def aread(
        self,
        thread_id: str,
        branch: str,
        *,
        after: int = 0,
        upto: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
        kinds: Sequence[str] | None = None,
    ) -> list[Record]:
        return await self._store.arun(self._window(thread_id, branch, Window(after, upto, limit, newest_first, kinds)))

    async def ahead(self, thread_id: str, branch: str | None = None) -> Head | None:
        return await self._store.arun(self._about(thread_id, reading.head, branch=branch))

    async def abranches(self, thread_id: str) -> list[Branch]:
        return await self._store.arun(self._about(thread_id, reading.branches))

    async def atail(self, *, after: int = 0, limit: int = 1000) -> list[Record]:
        return await self._store.arun(partial(reading.tail, shelf=self._shelf, after=after, limit=limit))

    async def afollow(self, *, after: int = 0, poll: float = 1.0) -> AsyncIterator[Record]:
        """`follow`, async."""
        ear = self._store.listen(after)
        try:
            while True:
                for record in (page := await self.atail(after=ear.after, limit=PAGE)):
                    yield record
                await arun(ear.wait_beyond(page, poll))
        finally:
            await arun(ear.close())

    async def aput_snapshot(self, thread_id: str, snapshot: Snapshot) -> None:
        await self._store.arun(self._about(thread_id, keeping.put_snapshot, snapshot=snapshot))

    async def aget_snapshot(self, thread_id: str, branch: str, *, upto: int) -> Snapshot | None:
        return await self._store.arun(self._about(thread_id, keeping.get_snapshot, branch=branch, upto=upto))

    async def adrop_snapshots(self, thread_id: str) -> int:
        return await self._store.arun(self._about(thread_id, keeping.drop_snapshots))

    async def alist_threads(self, *, after: str = "", limit: int = 100) -> list[ThreadInfo]:
        return await self._store.arun(partial(reading.list_threads, shelf=self._shelf, after=after, limit=limit))

    async def adelete_thread(self, thread_id: str, *, actor: str = "", reason: str | None = None) -> int:
        return await self._store.arun(self._about(thread_id, keeping.delete_thread, deletion=Deletion(actor, reason)))

    async def asetup(self, *, rls: bool = False, partitions: int | None = None) -> None:
        """`setup`, async."""
        await self._store.asetup(rls=rls, partitions=partitions)

    async def aclose(self) -> None:
        """`close`, async: what was asked before is still served."""
        await asyncio.to_thread(self._store.close)

    # -- what both faces ask for -----------------------------------------------------------------------------------

    def _window(self, thread_id: str, branch: str, window: Window) -> Job[list[Record]]:
        return self._about(thread_id, reading.read, branch=branch, window=window)

    def _about(self, thread_id: str, operation: Callable[..., Any], **details: Any) -> Job[Result]:
        check_name(thread_id)
        return partial(operation, shelf=self._shelf, thread_id=thread_id, **details)
