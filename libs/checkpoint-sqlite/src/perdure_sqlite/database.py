"""One SQLite database as its saver sees it: a connection that writes, a few that read, all opened on first use.

Here: transactions, locks between threads, closing and forking. Not here: what the statements say. A write holds the
lock for one transaction, a read holds none, and neither is held while a caller does something else.
"""

import os
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock, get_ident
from time import sleep
from typing import TypeVar

from perdure.errors import ClosedError, PerdureError, UsageError
from perdure.offload import Outcome
from perdure_sqlite import schema
from perdure_sqlite.connections import MEMORY, Synchronous, judge_borrowed, open_reader, open_writer, resolve
from perdure_sqlite.faults import DRIVER_ERRORS, translate
from perdure_sqlite.forking import watch_forks
from perdure_sqlite.patience import patiently

Result = TypeVar("Result")
IDLE_READERS = 4
"""Connections kept for the next read; more are open only while more threads read at once."""


class Database:
    """Runs jobs, which are functions of a cursor, in transactions; translates what the driver raises."""

    def __init__(
        self, source: str | Path | sqlite3.Connection, *, synchronous: Synchronous, auto_setup: bool, timeout: float
    ) -> None:
        self.closed = True  # until everything below is there: a refused source leaves nothing to close
        self._borrowed = source if isinstance(source, sqlite3.Connection) else None
        self.place = judge_borrowed(source) if isinstance(source, sqlite3.Connection) else resolve(source)
        self.alone = self._borrowed is not None or self.place == MEMORY
        """There is one connection for everything."""
        self._synchronous: Synchronous = synchronous
        self._auto_setup = auto_setup
        self._timeout = timeout
        self._lock = Lock()
        self._gate = Lock()
        self._cursor: sqlite3.Cursor | None = None
        self._ready = False
        self._idle: deque[sqlite3.Connection] = deque()
        self._reading: set[sqlite3.Connection] = set()
        self._group_thread = 0
        self._pid = os.getpid()
        self.closed = False
        watch_forks(self)

    # -- writing -------------------------------------------------------------------------------------------------

    def write(self, job: Callable[[sqlite3.Cursor], Result]) -> Result:
        """Run a job in a transaction of its own (or of the group that this thread commits) and return its result."""
        if self._group_thread == get_ident() and self._cursor is not None:
            return job(self._cursor)
        with self._lock:
            try:
                cursor = self._cursor if self._ready and self._cursor is not None else self._prepare()
                self._begin(cursor)
                result = job(cursor)
                self._commit(cursor)
            except DRIVER_ERRORS as exc:
                self._roll_back()
                raise translate(exc, self.place) from exc
            except BaseException:
                self._roll_back()
                raise
            return result

    def write_group(self, calls: Sequence[Callable[[], object]]) -> list[Outcome]:
        """Make calls, each of which writes once, and commit them together; return what each returned or raised.

        Each stands on a savepoint, so that one which is refused takes nothing of the others with it. What is raised
        here concerns all: nothing was written.
        """
        if len(calls) == 1:
            return [Outcome(calls[0]())]
        with self._lock:
            try:
                cursor = self._cursor if self._ready and self._cursor is not None else self._prepare()
                self._begin(cursor)
                self._group_thread = get_ident()
                outcomes = [self._on_savepoint(cursor, call) for call in calls]
                self._commit(cursor)
            except DRIVER_ERRORS as exc:
                self._roll_back()
                raise translate(exc, self.place) from exc
            except BaseException:
                self._roll_back()
                raise
            finally:
                self._group_thread = 0
        return outcomes

    def _on_savepoint(self, cursor: sqlite3.Cursor, call: Callable[[], object]) -> Outcome:
        cursor.execute("SAVEPOINT one")
        try:
            outcome = Outcome(call())
        except (PerdureError, *DRIVER_ERRORS) as exc:
            if not cursor.connection.in_transaction:
                raise
            cursor.execute("ROLLBACK TO one")
            outcome = Outcome(error=exc if isinstance(exc, PerdureError) else self._explain(exc))
        cursor.execute("RELEASE one")
        return outcome

    def _explain(self, error: Exception) -> PerdureError:
        explained = translate(error, self.place)
        explained.__cause__ = error
        return explained

    def _begin(self, cursor: sqlite3.Cursor) -> None:
        if self._borrowed is not None:
            _require_no_transaction(self._borrowed)
        patiently(lambda: cursor.execute("BEGIN IMMEDIATE"), self._timeout)

    def _commit(self, cursor: sqlite3.Cursor) -> None:
        # Outside WAL mode (a borrowed connection) a reader may hold a commit up; the transaction stands meanwhile.
        patiently(lambda: cursor.execute("COMMIT"), self._timeout)

    def _roll_back(self) -> None:
        cursor = self._cursor
        if cursor is None:
            return
        try:
            if cursor.connection.in_transaction:
                cursor.execute("ROLLBACK")
        except sqlite3.Error:
            # The error on its way says what happened; a connection that cannot roll back does so when it closes.
            self._drop_writer()

    # -- reading -------------------------------------------------------------------------------------------------

    def read(self, job: Callable[[sqlite3.Cursor], Result]) -> Result:
        """Run a job that only reads and return its result."""
        try:
            if self.alone:
                with self._lock:
                    return job(_plain_cursor(self._prepare().connection))
            connection = self._take_reader()
            try:
                return job(connection.cursor())
            finally:
                self._give_back(connection)
        except DRIVER_ERRORS as exc:
            raise translate(exc, self.place) from exc

    def _take_reader(self) -> sqlite3.Connection:
        if not self._ready:
            with self._lock:
                self._prepare()
        with self._gate:
            if self.closed:
                raise ClosedError
            connection = self._idle.pop() if self._idle else open_reader(self.place, self._timeout)
            self._reading.add(connection)
            return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        # Without the gate: `before_fork` holds it while it waits for the last reader.
        if self.closed or len(self._idle) >= IDLE_READERS:
            connection.close()
        else:
            self._idle.append(connection)
        self._reading.discard(connection)
        if self.closed:
            self._close_idle()

    # -- life ----------------------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Create or migrate the schema, also where it is not done by itself."""
        with self._lock:
            try:
                self._migrate(self._connect())
            except DRIVER_ERRORS as exc:
                raise translate(exc, self.place) from exc

    def _prepare(self) -> sqlite3.Cursor:
        cursor = self._connect()
        if not self._ready:
            if self._auto_setup:
                self._migrate(cursor)
            else:
                patiently(lambda: schema.require_schema(cursor, self.place), self._timeout)
                self._ready = True
        return cursor

    def _migrate(self, cursor: sqlite3.Cursor) -> None:
        if self._borrowed is not None:
            _require_no_transaction(self._borrowed)
        patiently(lambda: schema.migrate(cursor, self.place), self._timeout)
        self._ready = True

    def _connect(self) -> sqlite3.Cursor:
        if self.closed:
            raise ClosedError
        if self._cursor is None:
            connection = self._borrowed or open_writer(self.place, self._synchronous, self._timeout)
            self._cursor = _plain_cursor(connection)
        return self._cursor

    def close(self) -> None:
        """Close what was opened here; a borrowed connection stays open."""
        with self._lock, self._gate:
            self.closed = True
            self._drop_writer()
            self._close_idle()

    def __del__(self) -> None:
        # Nobody refers to this any more, so no lock is needed; a file left open would be reported as a leak.
        if not self.closed:
            self._drop_writer()
            self._close_idle()

    def _drop_writer(self) -> None:
        cursor, self._cursor = self._cursor, None
        if cursor is not None and self._borrowed is None:
            cursor.connection.close()

    def _close_idle(self) -> None:
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def before_fork(self) -> None:
        """Let every statement end, close the connections, and hold both locks."""
        self._lock.acquire()
        self._gate.acquire()
        while self._reading:
            sleep(0.0005)
        if not self.alone:
            self._drop_writer()
            self._close_idle()

    def after_fork(self) -> None:
        """Go on. A child has its own copy of a database in memory, but none of a borrowed connection to a file."""
        if self._borrowed is not None and self.place != MEMORY and os.getpid() != self._pid:
            self.closed = True
        self._gate.release()
        self._lock.release()


def _plain_cursor(connection: sqlite3.Connection) -> sqlite3.Cursor:
    cursor = connection.cursor()
    # A borrowed connection may make rows of its own kind.
    cursor.row_factory = None
    return cursor


def _require_no_transaction(borrowed: sqlite3.Connection) -> None:
    if borrowed.in_transaction:
        raise UsageError("The borrowed connection is inside a transaction: commit it or roll it back first.")
