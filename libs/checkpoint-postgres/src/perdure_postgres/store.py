"""One PostgreSQL schema as its saver sees it: where jobs are run, and the schema that is there before the first.

Here: choosing the world for a job, first use, closing. Not here: waiting (`worlds`), connections (`sources`).
"""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from math import ceil
from threading import Lock
from typing import Any, NamedTuple, TypeAlias

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import InvalidSchemaName, UndefinedTable
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from perdure.append_rules import check_name
from perdure.errors import ClosedError, StoreUnavailableError, UsageError
from perdure.offload import Offload, Outcome
from perdure_postgres import schema, statements
from perdure_postgres.append import Append, append
from perdure_postgres.effects import Connection, Flow, Job, Result, ask, borrow, is_inside, serve
from perdure_postgres.following import Bell, Ear, channel_of
from perdure_postgres.group import append_group
from perdure_postgres.reading import Shelf
from perdure_postgres.sources import AsyncLentConnection, AsyncLentPool, LentConnection, LentPool, OwnPool
from perdure_postgres.statements import Names
from perdure_postgres.worlds import arun, run

Lent: TypeAlias = psycopg.Connection[Any] | AsyncConnection[Any] | ConnectionPool[Any] | AsyncConnectionPool[Any]
LONGEST_SCHEMA = 63
"""Bytes of an identifier that PostgreSQL does not cut off."""
LONGEST_TIMEOUT = 1_000_000


class Terms(NamedTuple):
    """How a store is used (see `PostgresSaver`)."""

    schema: str
    auto_setup: bool
    timeout: float
    prepare: bool | None
    notify: bool
    pool_config: Mapping[str, Any]


class Store:
    """Runs jobs on connections; the schema is made or checked once before the first."""

    def __init__(self, source: str | Lent, tenant: str, terms: Terms) -> None:
        check_name(terms.schema, "schema")
        size = len(terms.schema.encode())
        if size > LONGEST_SCHEMA:
            raise UsageError(f"The schema's name has {size} bytes; PostgreSQL keeps {LONGEST_SCHEMA}.")
        if not 0 < terms.timeout <= LONGEST_TIMEOUT:
            raise UsageError(f"timeout={terms.timeout!r} is not a number of seconds between 0 and {LONGEST_TIMEOUT}.")
        self.shelf = Shelf(Names(terms.schema), tenant)
        self._terms = terms
        self._ready = False
        self._in_doubt = False
        self._closed = False
        self._lock = Lock()
        self._offloads: dict[int, Offload[Append]] = {}
        self._bells: dict[int, Bell] | None = {} if terms.notify and isinstance(source, str | ConnectionPool) else None
        self._source: OwnPool | LentPool | LentConnection | None = None
        self._asource: AsyncLentPool | AsyncLentConnection | None = None
        self.place = "The PostgreSQL database"
        self._conninfo = source if isinstance(source, str) else None
        self._options: dict[str, Any] = {"autocommit": True}
        match source:
            case str():
                self.place = _name_place(source)
                self._options |= {"connect_timeout": max(2, ceil(terms.timeout))} if not _says_timeout(source) else {}
                self._options |= {**terms.pool_config.get("kwargs", {}), "autocommit": True}
                self._source = OwnPool(source, terms.pool_config, self._options, terms.prepare)
            case psycopg.Connection():
                self._source = LentConnection(source)
            case ConnectionPool():
                self._source = LentPool(source)
            case AsyncConnection():
                self._asource = AsyncLentConnection(source)
            case AsyncConnectionPool():
                self._asource = AsyncLentPool(source)
            case _:
                raise UsageError(
                    f"A PostgresSaver stands on a URL, or on a connection or pool of psycopg; this is a"
                    f" {type(source).__name__}."
                )
        self._on_one_connection = isinstance(source, psycopg.Connection | AsyncConnection)

    # -- jobs ----------------------------------------------------------------------------------------------------

    def run(self, job: Job[Result], *, on: Connection | None = None) -> Result:
        """Do a job in this thread; `on` a connection of the caller's, as a part of its transaction."""
        self._require_open()
        if on is not None:
            if not isinstance(on, psycopg.Connection):
                raise UsageError(f"connection= takes a psycopg.Connection here, not a {type(on).__name__}.")
            if self._source is not None and not self._ready:
                run(self._served(partial(self._with_schema, _nothing)), self._source)
            return run(borrow(partial(self._with_schema, job), on, self.place))
        if self._source is None:
            raise UsageError("This saver stands on an async connection or pool: use the async methods.")
        return run(self._served(partial(self._with_schema, job)), self._source)

    async def arun(self, job: Job[Result], *, on: Connection | None = None) -> Result:
        """Do a job without keeping the event loop waiting."""
        self._require_open()
        if on is not None:
            if not isinstance(on, AsyncConnection):
                raise UsageError(f"connection= takes a psycopg.AsyncConnection here, not a {type(on).__name__}.")
            if not self._ready:
                await self.arun(_nothing)
            return await arun(borrow(partial(self._with_schema, job), on, self.place))
        if self._asource is not None:
            return await arun(self._served(partial(self._with_schema, job)), self._asource)
        return await self._offload().read(partial(self.run, job))

    async def aappend(self, asked: Append) -> int:
        """Append without keeping the event loop waiting, together with what else waits."""
        self._require_open()
        if self._asource is not None:
            return await self.arun(partial(append, asked=asked))
        position: int = await self._offload().write(asked)
        return position

    def append(self, asked: Append) -> int:
        """Append in this thread."""
        position = self.run(partial(append, asked=asked))
        if self._bells is not None:
            self._bell(self._bells).pull()
        return position

    def listen(self, after: int) -> Ear:
        """Return what waits for appends of other processes beyond a position."""
        self._require_open()
        return Ear(self._conninfo, self._options, self.shelf.names.schema, after)

    def _bell(self, bells: dict[int, Bell]) -> Bell:
        pid = os.getpid()
        bell = bells.get(pid)
        if bell is None:
            statement = self.shelf.names(statements.RING)
            bound = {"channel": channel_of(self.shelf.names.schema)}
            bell = bells.setdefault(pid, Bell(lambda: self.run(lambda connection: ask(connection, statement, bound))))
        return bell

    def _served(self, job: Job[Result]) -> Flow[Result]:
        return serve(job, self.place, self._terms.timeout, again=not self._on_one_connection, was_there=self._ready)

    def _with_schema(self, job: Job[Result], connection: Connection) -> Flow[Result]:
        """Do a job after the schema was made (or looked for), which happens once."""
        if not self._ready:
            idle = connection.info.transaction_status == TransactionStatus.IDLE
            look = schema.migrate if self._terms.auto_setup else schema.require_schema
            made = yield from look(connection, self.shelf, self.place)
            # What was made in the caller's transaction it may take back: only a later one shows that it stayed.
            self._in_doubt = is_inside(connection) and (made or (self._in_doubt and not idle))
            self._ready = not self._in_doubt
        try:
            return (yield from job(connection))
        except (UndefinedTable, InvalidSchemaName):
            # It was dropped, or rolled back with the caller's transaction: look again before the next job.
            self._ready = False
            raise

    # -- async callers -------------------------------------------------------------------------------------------

    def _offload(self) -> Offload[Append]:
        # One for each process: threads do not follow a fork. No lock, because `setdefault` is atomic.
        pid = os.getpid()
        offload = self._offloads.get(pid)
        if offload is None:
            offload = self._offloads.setdefault(pid, Offload("postgres", self._append_together))
        return offload

    def _append_together(self, asked: Sequence[Append]) -> list[Outcome]:
        """Make several appends in one statement; those that it does not make are made, or refused, alone."""
        if len(asked) == 1 or self._on_one_connection:
            return [self._append_alone(one) for one in asked]
        try:
            made = self.run(partial(append_group, asked=asked))
        except StoreUnavailableError as exc:
            # None of them would fare better alone, and each would wait as long.
            return [Outcome(error=StoreUnavailableError(str(exc))) for _ in asked]
        if self._bells is not None:
            self._bell(self._bells).pull()
        return [
            Outcome(position) if position else self._append_alone(one)
            for one, position in zip(asked, made, strict=True)
        ]

    def _append_alone(self, asked: Append) -> Outcome:
        try:
            return Outcome(self.append(asked))
        except Exception as exc:  # noqa: BLE001  (it is raised where the append is awaited)
            return Outcome(error=exc)

    # -- life ----------------------------------------------------------------------------------------------------

    def setup(self, **wanted: Any) -> None:
        """Create or migrate the schema, also where it is not done by itself."""
        self._require_open()
        if self._source is None:
            raise UsageError("This saver stands on an async connection or pool: use asetup().")
        run(self._served(self._migration(wanted)), self._source)
        self._ready = True

    async def asetup(self, **wanted: Any) -> None:
        """`setup`, async."""
        self._require_open()
        if self._asource is not None:
            await arun(self._served(self._migration(wanted)), self._asource)
            self._ready = True
        else:
            await self._offload().read(partial(self.setup, **wanted))

    def _migration(self, wanted: Mapping[str, Any]) -> Job[bool]:
        schema.check_partitions(wanted.get("partitions"))
        return lambda connection: schema.migrate(connection, self.shelf, self.place, **wanted)

    def close(self) -> None:
        """Serve what was asked before; close what was opened here."""
        offload = self._offloads.get(os.getpid())
        if offload is not None:
            offload.close()
        bell = (self._bells or {}).get(os.getpid())
        if bell is not None:
            bell.close()
        self._closed = True
        if self._source is not None:
            self._source.close()

    def _require_open(self) -> None:
        if self._closed:
            raise ClosedError


def _nothing(_: Connection) -> Flow[None]:
    """Do no more than what comes before every job."""
    yield from ()


def _says_timeout(conninfo: str) -> bool:
    return "connect_timeout" in conninfo_to_dict(conninfo)


def _name_place(conninfo: str) -> str:
    """Return what to call a database in messages: never the password, nor anything else of the URL."""
    try:
        known = conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError:
        known = {"port": "unreadable"}
    name, host, port = (str(known.get(part) or "") for part in ("dbname", "host", "port"))
    if "@" in name + host or (port and not port.replace(",", "").isdigit()):
        # A part of the password may stand where it does not belong, so nothing is quoted.
        raise UsageError(
            "The connection string of PostgreSQL cannot be read: it is a URL like postgresql://user@host/database, or"
            " pairs like host=… dbname=…. In a URL, percent-encode what is special in the password (%40 for @, %2F for"
            " /)."
        )
    return f"The PostgreSQL database {name or '(default)'!r} on {host or '(default)'}"
