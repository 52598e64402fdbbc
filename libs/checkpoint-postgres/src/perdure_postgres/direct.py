"""One statement on a connection of ours, by the shortest way: psycopg's libpq, without a cursor.

A cursor adapts any Python value and any type of PostgreSQL; the saver's statements take text, integers and bytes, and
give back as few types. Leaving the rest out halves the client's time of a short statement. Connections that were lent
may have habits of their own, and keep to cursors.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

from psycopg import Connection, DataError, OperationalError, generators
from psycopg.errors import DuplicatePreparedStatement, InvalidSqlStatementName, error_from_result
from psycopg.pq import ExecStatus

Row: TypeAlias = tuple[Any, ...]
PREPARE_AFTER: Final = 2
"""Executions after which a statement is prepared."""
TEXT, BINARY, BYTEA = 0, 1, 17


def _read_int(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


def _read_text(value: bytes) -> str:
    return value.decode()


def _read_bytes(value: bytes) -> bytes:
    return value


def _read_bool(value: bytes) -> bool:
    return value == b"\1"


READERS: Final[Mapping[int, Callable[[bytes], Any]]] = {
    16: _read_bool, BYTEA: _read_bytes, 20: _read_int, 23: _read_int, 25: _read_text, 2278: _read_text,
}  # fmt: skip
"""By the oid of a type, in binary form: the types that the saver's statements return. (The last is void.)"""


class Query(NamedTuple):
    """A statement as libpq takes it."""

    text: bytes
    names: tuple[str, ...]
    """The parameters' names, in the order of their numbers."""


@lru_cache(maxsize=256)
def parse(statement: bytes) -> Query:
    """Return a statement with numbers for its named parameters."""
    order: dict[bytes, int] = {}

    def number(found: re.Match[bytes]) -> bytes:
        return b"%" if found[1] is None else b"$%d" % order.setdefault(found[1], len(order) + 1)

    text = re.sub(rb"%\((\w+)\)s|%%", number, statement)
    return Query(text, tuple(name.decode() for name in order))


class Prepared:
    """What one connection has executed and prepared."""

    def __init__(self) -> None:
        self.executed: Counter[bytes] = Counter()
        self.names: dict[bytes, bytes] = {}


class Direct:
    """Executes statements on the connections of one pool."""

    def __init__(self, *, prepare: bool) -> None:
        self._prepare = prepare
        self._prepared: WeakKeyDictionary[Connection[Any], Prepared] = WeakKeyDictionary()

    def execute(self, connection: Connection[Any], statement: bytes, params: Mapping[str, Any]) -> list[Row]:
        """Run one statement and return its rows. Raises what a cursor would raise."""
        query = parse(statement)
        values = [_write(params[name]) for name in query.names]
        try:
            return self._run(connection, query, values)
        except InvalidSqlStatementName:
            # Somebody between here and the server has forgotten what was prepared; nothing was executed.
            self._prepared.pop(connection, None)
            return self._run(connection, query, values)

    def _run(self, connection: Connection[Any], query: Query, values: list[bytes | None]) -> list[Row]:
        pgconn = connection.pgconn
        name = self._name_of(connection, query) if self._prepare else None
        formats = [BINARY if type(value) is Bytes else TEXT for value in values]
        if name is None:
            types = [BYTEA if one == BINARY else 0 for one in formats]
            pgconn.send_query_params(query.text, values, types, formats, BINARY)
        else:
            pgconn.send_query_prepared(name, values, formats, BINARY)
        return _receive(connection)

    def _name_of(self, connection: Connection[Any], query: Query) -> bytes | None:
        """Return the name under which the connection has the statement; None as long as that is not worth while."""
        known = self._prepared.get(connection)
        if known is None:
            known = self._prepared[connection] = Prepared()
        name = known.names.get(query.text)
        if name is None:
            known.executed[query.text] += 1
            if known.executed[query.text] > PREPARE_AFTER:
                # The same name wherever it is the same statement: behind a pooler, sessions are shared.
                name = b"perdure_" + blake2b(query.text, digest_size=12).hexdigest().encode()
                connection.pgconn.send_prepare(name, query.text)
                with suppress(DuplicatePreparedStatement):
                    _receive(connection)
                known.names[query.text] = name
        return name


class Bytes(bytes):
    """Bytes that are sent as they are, not as text."""


def _write(value: Any) -> bytes | None:
    """Return a value as libpq takes it."""
    if value is None:
        return None
    if isinstance(value, str):
        return _write_text(value)
    if isinstance(value, bytes):
        return Bytes(value)
    if isinstance(value, int):
        return b"%d" % value
    return _write_array(value)


def _write_text(text: str) -> bytes:
    if "\0" in text:
        raise DataError("a text of PostgreSQL cannot hold a NUL character")  # libpq would cut it off there
    return text.encode()


def _write_array(texts: list[str]) -> bytes:
    quoted = ('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts)
    return _write_text("{" + ",".join(quoted) + "}")


def _receive(connection: Connection[Any]) -> list[Row]:
    """Send what is to be sent, wait for the answer, and return its rows. A signal may interrupt the wait."""
    results = connection.wait(generators.execute(connection.pgconn))
    if not results:
        raise OperationalError("the server gave no answer")
    result = results[-1]
    if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        raise error_from_result(result, "utf-8")
    readers = [READERS[result.ftype(column)] for column in range(result.nfields)]
    return [
        tuple(
            None if (value := result.get_value(row, column)) is None else read(value)
            for column, read in enumerate(readers)
        )
        for row in range(result.ntuples)
    ]
