"""Following the tail live: wake-ups by NOTIFY from a side channel, polling where there are none.

Here: ringing and listening. Not here: reading; a wake-up says nothing but "look". An append never notifies inside its
own transaction, because PostgreSQL lets transactions that notify commit one after the other only.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from threading import Event, Lock, Thread
from time import sleep
from typing import Any, Final

import psycopg
from psycopg.sql import SQL, Identifier

from perdure.events import Record
from perdure_postgres.effects import Close, Connect, Connection, Execute, Flow, Hear, Pause

COALESCE_SECONDS: Final = 0.01
"""Appends that are made within this time ring once."""
IDLE_SECONDS: Final = 5.0
"""After so long without an append the thread ends."""


def channel_of(schema: str) -> str:
    """Return the channel of a schema: a name that fits, whatever the schema is called."""
    return f"perdure_{blake2b(schema.encode(), digest_size=12).hexdigest()}"


class Bell:
    """Rings for those who listen: one thread, which ends when nothing was appended for a while."""

    def __init__(self, ring: Callable[[], object]) -> None:
        self._ring = ring
        self._rung = Event()
        self._lock = Lock()
        self._thread: Thread | None = None
        self._closed = False

    def pull(self) -> None:
        """Let it ring soon."""
        self._rung.set()
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = Thread(target=self._work, name="perdure-postgres-bell", daemon=True)
                    self._thread.start()

    def close(self) -> None:
        """Ring what is to be rung, then end the thread."""
        self._closed = True
        self._rung.set()
        thread = self._thread
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        while self._rung.wait(IDLE_SECONDS):
            self._rung.clear()
            if not self._closed:
                sleep(COALESCE_SECONDS)
            with contextlib.suppress(Exception):  # a hint that is lost costs no more than the next poll
                self._ring()
            if self._closed:
                return
        with self._lock:
            self._thread = None
        if self._rung.is_set():
            self.pull()


class Ear:
    """Listens on a connection of its own; where that cannot be had, waiting is just waiting."""

    def __init__(self, conninfo: str | None, options: Mapping[str, Any], schema: str, after: int) -> None:
        self.after = after
        """The position of the last record that was seen."""
        self._conninfo = conninfo
        self._options = options
        self._listen = SQL("LISTEN {}").format(Identifier(channel_of(schema))).as_bytes(None)
        self._connection: Connection | None = None

    def wait_beyond(self, page: Sequence[Record], seconds: float) -> Flow[None]:
        """Go on behind a page of the tail; when it was empty, wait first."""
        if page:
            self.after = page[-1].position
        else:
            yield from self._wait(seconds)

    def _wait(self, seconds: float) -> Flow[None]:
        """Wait for a ring, for some seconds at most. The first time it only begins to listen: look once more."""
        if self._conninfo is None:
            yield Pause(seconds)
            return
        try:
            if self._connection is None:
                self._connection = yield Connect(self._conninfo, self._options)
                yield Execute(self._connection, self._listen)
            else:
                yield Hear(self._connection, seconds)
        except psycopg.OperationalError:
            yield from self.close()
            yield Pause(seconds)

    def close(self) -> Flow[None]:
        """Stop listening."""
        connection, self._connection = self._connection, None
        if connection is not None:
            yield Close(connection)
