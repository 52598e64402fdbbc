"""`SqliteSaver`: the port over one SQLite file, for sync and async code alike.

Here: the port's methods, each handing one job to the database. Not here: SQL (`statements`), transactions
(`database`), threads (`offload`).
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from perdure.append_rules import check_append, check_name, check_tenant
from perdure.errors import UsageError
from perdure.events import Record
from perdure.offload import Offload
from perdure.ports import Branch, Current, Head, Snapshot, ThreadInfo
from perdure.sync_saver import Result, SyncSaver
from perdure_sqlite import keeping, reading
from perdure_sqlite.append import Append, append
from perdure_sqlite.connections import SYNCHRONOUS, Synchronous
from perdure_sqlite.database import Database


class SqliteSaver(SyncSaver):
    """Keeps logs and snapshots in one SQLite file (WAL mode), which several processes may share.

    Sync methods commit in the calling thread. Async ones go to a writing thread that commits what waits together, or
    to a few reading threads; with `":memory:"` or a borrowed connection they run where they are awaited.
    """

    def __init__(
        self,
        database: str | Path | sqlite3.Connection,
        *,
        tenant: str = "",
        synchronous: Synchronous = "FULL",
        auto_setup: bool = True,
        timeout: float = 30.0,
    ) -> None:
        """Name the database; nothing is opened before it is used.

        Args:
            database: A path, `":memory:"`, or an open connection, which is used as it is, never closed, and best
                opened with `check_same_thread=False`.
            tenant: Whose threads these are; other tenants' threads in the same file are out of sight.
            synchronous: `"NORMAL"` is faster, but a power cut may take the last commits with it.
            auto_setup: Create and migrate the schema on first use; if not, `setup()` must be called once.
            timeout: Seconds to wait for a lock that another process holds.
        """
        if synchronous not in SYNCHRONOUS:
            raise UsageError(f"synchronous={synchronous!r} is none of {', '.join(SYNCHRONOUS)}.")
        self.tenant = check_tenant(tenant)
        self._database = Database(database, synchronous=synchronous, auto_setup=auto_setup, timeout=timeout)
        self._offloads: dict[int, Offload[Callable[[], object]]] = {}

    @classmethod
    def from_conn_string(cls, conn_string: str) -> Self:
        """Return a saver for a path or `":memory:"`: to be used directly, in `with`, or in `async with`."""
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
    ) -> int:
        check_append(thread_id, branch, expected_seq, records, opens)
        asked = Append(self.tenant, thread_id, branch, expected_seq, records, opens, current)
        return self._database.write(lambda cursor: append(cursor, asked))

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
        check_name(thread_id)
        place = (self.tenant, thread_id, branch)
        window = reading.Window(after, upto, limit, newest_first, kinds)
        return self._database.read(lambda cursor: reading.read(cursor, place, window))

    def head(self, thread_id: str, branch: str | None = None) -> Head | None:
        check_name(thread_id)
        return self._database.read(lambda cursor: reading.head(cursor, self.tenant, thread_id, branch))

    def branches(self, thread_id: str) -> list[Branch]:
        check_name(thread_id)
        return self._database.read(lambda cursor: reading.branches(cursor, self.tenant, thread_id))

    def tail(self, *, after: int = 0, limit: int = 1000) -> list[Record]:
        return self._database.read(lambda cursor: reading.tail(cursor, self.tenant, after, limit))

    # -- snapshots -----------------------------------------------------------------------------------------------

    def put_snapshot(self, thread_id: str, snapshot: Snapshot) -> None:
        check_name(thread_id)
        self._database.write(lambda cursor: keeping.put_snapshot(cursor, self.tenant, thread_id, snapshot))

    def get_snapshot(self, thread_id: str, branch: str, *, upto: int) -> Snapshot | None:
        check_name(thread_id)
        return self._database.read(lambda cursor: keeping.get_snapshot(cursor, self.tenant, thread_id, branch, upto))

    def drop_snapshots(self, thread_id: str) -> int:
        check_name(thread_id)
        return self._database.write(lambda cursor: keeping.drop_snapshots(cursor, self.tenant, thread_id))

    # -- threads -------------------------------------------------------------------------------------------------

    def list_threads(self, *, after: str = "", limit: int = 100) -> list[ThreadInfo]:
        return self._database.read(lambda cursor: reading.list_threads(cursor, self.tenant, after, limit))

    def delete_thread(self, thread_id: str, *, actor: str = "", reason: str | None = None) -> int:
        check_name(thread_id)
        return self._database.write(lambda cursor: keeping.delete_thread(cursor, self.tenant, thread_id, actor, reason))

    # -- life ----------------------------------------------------------------------------------------------------

    def setup(self) -> None:
        self._database.setup()

    def close(self) -> None:
        """Serve what async callers asked before, then close what this saver opened."""
        offload = self._offloads.get(os.getpid())
        if offload is not None:
            offload.close()
        self._database.close()

    async def _elsewhere(self, call: Callable[[], Result], *, writes: bool = False) -> Result:
        if self._database.alone:
            return call()
        # One for each process: threads do not follow a fork. No lock, because `setdefault` is atomic.
        pid = os.getpid()
        offload = self._offloads.get(pid)
        if offload is None:
            offload = self._offloads.setdefault(pid, Offload("sqlite", self._database.write_group))
        if not writes:
            return await offload.read(call)
        result: Result = await offload.write(call)
        return result
