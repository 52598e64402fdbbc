"""What a flow asks of the world around it. A flow is a generator; it never waits, so one text serves both worlds.

Here: the effects, transactions, and how an operation outlives a lost connection. Not here: how a thread or an event
loop waits (`worlds`), what the statements say (`statements`).
"""

from collections.abc import Callable, Generator, Mapping
from time import monotonic
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from perdure_postgres.direct import Row as Row
from perdure_postgres.faults import DRIVER_ERRORS, is_lost, translate

Result = TypeVar("Result")
Connection: TypeAlias = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]


class Hands(Protocol):
    """What performs effects: at once, or by something to await."""

    def execute(self, connection: Any, statement: bytes, params: Mapping[str, Any] | None) -> Any:
        """Run one statement and return its rows."""

    def take(self, patience: float) -> Any:
        """Return a connection for one flow alone."""

    def give_back(self, connection: Any) -> Any:
        """Let others have it."""

    def pause(self, seconds: float) -> Any:
        """Wait."""

    def connect(self, conninfo: str, options: Mapping[str, Any]) -> Any:
        """Return a new connection."""

    def hear(self, connection: Any, seconds: float) -> Any:
        """Wait for a notification."""

    def close(self, connection: Any) -> Any:
        """Close a connection."""


class Execute(NamedTuple):
    """Run one statement (or, without values, a script) in one round trip and send back its rows."""

    connection: Connection
    statement: bytes
    params: Mapping[str, Any] | None = None

    def on(self, hands: Hands) -> Any:
        return hands.execute(*self)


class Take(NamedTuple):
    """Send back a connection for this flow alone."""

    patience: float

    def on(self, hands: Hands) -> Any:
        return hands.take(*self)


class GiveBack(NamedTuple):
    """Let others have the connection; one that is broken is thrown away."""

    connection: Connection

    def on(self, hands: Hands) -> Any:
        return hands.give_back(*self)


class Pause(NamedTuple):
    """Do nothing for some seconds."""

    seconds: float

    def on(self, hands: Hands) -> Any:
        return hands.pause(*self)


class Connect(NamedTuple):
    """Send back a new connection, which belongs to the flow."""

    conninfo: str
    options: Mapping[str, Any]

    def on(self, hands: Hands) -> Any:
        return hands.connect(*self)


class Hear(NamedTuple):
    """Wait for a notification, for some seconds at most."""

    connection: Connection
    seconds: float

    def on(self, hands: Hands) -> Any:
        return hands.hear(*self)


class Close(NamedTuple):
    """Close a connection that belongs to the flow."""

    connection: Connection

    def on(self, hands: Hands) -> Any:
        return hands.close(*self)


Effect: TypeAlias = Execute | Take | GiveBack | Pause | Connect | Hear | Close
Flow: TypeAlias = Generator[Effect, Any, Result]
Job: TypeAlias = Callable[[Connection], Flow[Result]]
"""An operation on a connection that somebody else takes and gives back."""


def ask(connection: Connection, statement: bytes, params: Mapping[str, Any] | None = None) -> Flow[list[Row]]:
    """Run one statement and return its rows."""
    rows: list[Row] = yield Execute(connection, statement, params)
    return rows


def is_inside(connection: Connection) -> bool:
    """Tell whether the next statement is part of a transaction that goes on after it."""
    return not connection.autocommit or connection.info.transaction_status != TransactionStatus.IDLE


def together(connection: Connection, flow: Flow[Result]) -> Flow[Result]:
    """Run a flow in a transaction; inside the caller's, on a savepoint, so that a refusal leaves that one whole."""
    inside = is_inside(connection)
    yield Execute(connection, b"SAVEPOINT perdure" if inside else b"BEGIN")
    try:
        result = yield from flow
    except BaseException:
        if not connection.closed:
            yield Execute(connection, b"ROLLBACK TO perdure; RELEASE perdure" if inside else b"ROLLBACK")
        raise
    yield Execute(connection, b"RELEASE perdure" if inside else b"COMMIT")
    return result


FIRST_PAUSE = 0.01
LONGEST_PAUSE = 0.5


def serve(job: Job[Result], place: str, timeout: float, *, again: bool, was_there: bool) -> Flow[Result]:
    """Do a job on a connection of the source; when that is lost, do it `again` on another, for `timeout` seconds.

    Every job may be done twice: what it has written already, it recognises. A server that never answered (`was_there`)
    is not waited for. Raises what `translate` makes of the driver's errors.
    """
    deadline, pause = monotonic() + timeout, 0.0
    while True:
        connection: Connection | None = None
        try:
            connection = yield Take(max(0.1, deadline - monotonic()))
            was_there = True
            return (yield from job(connection))
        except DRIVER_ERRORS as exc:
            if not (again and was_there and is_lost(exc)) or monotonic() >= deadline:
                raise translate(exc, place) from exc
        finally:
            if connection is not None:
                yield GiveBack(connection)
        yield Pause(pause)
        pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, pause * 2))


def borrow(job: Job[Result], connection: Connection, place: str) -> Flow[Result]:
    """Do a job on a connection of the caller's, as a part of the transaction that is open there."""
    try:
        return (yield from job(connection))
    except DRIVER_ERRORS as exc:
        raise translate(exc, place) from exc
