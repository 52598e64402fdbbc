"""Appending to one branch: one statement where all is as the writer believes; a second look where it is not.

Here: what an append does, as flows. Not here: connections, and trying again when one is lost: an append may be made
twice, because it recognises what it has written.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, NoReturn

import orjson
from psycopg.errors import UniqueViolation
from psycopg.types.numeric import Int8

from perdure.append_rules import (
    check_parent,
    refuse_deleted,
    refuse_missing_branch,
    refuse_moved,
    require_chain,
    require_repeat,
)
from perdure.chain import GENESIS
from perdure.errors import StaleWriterError, UsageError
from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Branch, Current
from perdure_postgres import statements
from perdure_postgres.effects import Connection, Execute, Flow, Row, is_inside, together
from perdure_postgres.reading import Shelf
from perdure_postgres.statements import ORDINAL_BITS

MOST_RECORDS: Final = (1 << ORDINAL_BITS) - 1
"""Records of one append at most: their positions share a transaction's number."""


class Append(NamedTuple):
    """What a caller of `append` asked for."""

    shelf: Shelf
    thread_id: str
    branch: str
    expected_seq: int
    records: Sequence[Record]
    opens: Branch | None
    current: Current


def append(connection: Connection, asked: Append) -> Flow[int]:
    """Append the records and return the position of the last one (see `perdure.ports.Saver.append`)."""
    if asked.opens is None:
        first = asked.expected_seq == 0 and asked.branch == MAIN_BRANCH
        statement = statements.OPEN_THREAD if first else statements.extend(asked.branch, asked.current)
        if first:
            require_chain(GENESIS, asked.records, expected_seq=0)
        position = yield from _attempt(connection, asked, statement)
        if position:
            return position
    while True:
        try:
            return (yield from together(connection, _look_and_append(connection, asked)))
        except UniqueViolation:
            # Somebody was faster between the look and the append; the next look says who. In a transaction of the
            # caller's it might see no more than this one did.
            if is_inside(connection):
                _refuse_late(asked)


def _refuse_late(asked: Append) -> NoReturn:
    """Raise StaleWriterError for a writer whose transaction does not see the one that was first."""
    expected = asked.expected_seq
    raise StaleWriterError(asked.thread_id, asked.branch, expected_seq=expected, head_seq=expected + 1)


def _attempt(connection: Connection, asked: Append, statement: str) -> Flow[int]:
    """Make an append in one statement; return 0 where something is not as the writer believes."""
    flow = _execute(connection, asked, statement, _bind(asked))
    try:
        return (yield from (together(connection, flow) if is_inside(connection) else flow))
    except UniqueViolation:
        return 0


def _execute(connection: Connection, asked: Append, statement: str, params: dict[str, Any]) -> Flow[int]:
    rows: list[Row] = yield Execute(connection, asked.shelf.names(statement), params)
    if not rows:
        return 0
    position: int = rows[-1][0]
    if position & MOST_RECORDS < len(asked.records):
        raise UsageError(f"One transaction takes {MOST_RECORDS} events at most; commit in between.")
    return position


def _bind(asked: Append) -> dict[str, Any]:
    return {
        "tenant": asked.shelf.tenant,
        "thread": asked.thread_id,
        "branch": asked.branch,
        "expected": Int8(asked.expected_seq),
        "envelope": dump(asked.records[0][:11]),
        "rows": write_rows(asked.records),
    }


def write_rows(records: Sequence[Record]) -> str:
    """Return records as the document that `statements` unpacks. Raises UsageError for text that is no text."""
    if len(records) > MOST_RECORDS:
        raise UsageError(f"One append takes {MOST_RECORDS} records at most, not {len(records)}.")
    return dump([row_of(record) for record in records]).decode()


def row_of(record: Record) -> dict[str, Any]:
    """Return one record as an object of that document."""
    texts = (record[3], record[5], record[6], record[7], record[8], record[10])
    row = {
        "at": record[9],
        "v": record[4],
        "k": texts[0],
        "run": texts[1],
        "ns": texts[2],
        "ck": texts[3],
        "task": texts[4],
        "who": texts[5],
        "h": record[11].hex(),
    }
    payload = record[12]
    if _is_document(payload):
        row["p"] = orjson.Fragment(payload)
    else:
        row["b"] = payload.hex()
    if "\0" in "".join(texts):
        row |= {name: text.replace("\0", "\ufffd") for name, text in row.items() if isinstance(text, str)}
        row["t"] = dump(texts).hex()
    return row


def _is_document(payload: bytes) -> bool:
    """Tell whether a payload is a JSON object that comes back from a column of type json as it went in.

    One with an escaped NUL would, but no operator of SQL could look into it.
    """
    if payload[:1] != b"{" or payload[-1:] != b"}" or b"\\u0000" in payload:
        return False
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return False
    return True


def dump(value: object) -> bytes:
    """Return a value as JSON. Raises UsageError for text that is no text."""
    try:
        return orjson.dumps(value)
    except TypeError as exc:
        raise UsageError(f"An event holds what is no text: {exc}.") from exc


# -- the second look -----------------------------------------------------------------------------------------


def _look_and_append(connection: Connection, asked: Append) -> Flow[int]:
    """With the thread locked: find out what is not as the writer believed; refuse, recognise, or append."""
    place = {"tenant": asked.shelf.tenant, "thread": asked.thread_id, "branch": asked.branch}
    threads: list[Row] = yield Execute(connection, asked.shelf.names(statements.LOCK_THREAD), place)
    if not threads:
        _refuse_missing_thread(asked)
    deleted, current = threads[0]
    if deleted:
        refuse_deleted(asked.thread_id)
    heads: list[Row] = yield Execute(connection, asked.shelf.names(statements.FIND_HEAD), place)
    if not heads:
        no = yield from _open_fork(connection, asked, place)
    else:
        no, head_seq, head_hash = heads[0]
        if head_seq != asked.expected_seq or asked.opens is not None:
            return (yield from _find_repeat(connection, asked, no, head_seq))
        require_chain(head_hash, asked.records, expected_seq=asked.expected_seq)
    if asked.current != "any" and current != asked.branch:
        if asked.current == "stays":
            refuse_moved(asked.thread_id, asked.branch, asked.expected_seq, current)
        yield Execute(connection, asked.shelf.names(statements.SET_CURRENT), place)
    return (yield from _execute(connection, asked, statements.ADD_EVENTS, {**_bind(asked), "no": no}))


def _refuse_missing_thread(asked: Append) -> None:
    if asked.opens is not None:
        check_parent(asked.opens, None)
    refuse_missing_branch(asked.thread_id, asked.branch, asked.expected_seq)


def _open_fork(connection: Connection, asked: Append, place: dict[str, Any]) -> Flow[int]:
    opens = asked.opens
    if opens is None:
        refuse_missing_branch(asked.thread_id, asked.branch, asked.expected_seq)
    parents: list[Row] = yield Execute(
        connection, asked.shelf.names(statements.FIND_HEAD), {**place, "branch": opens.parent}
    )
    check_parent(opens, parents[0][1] if parents else None)
    fork = {**place, "parent": opens.parent, "fork_seq": opens.fork_seq, "name": opens.name}
    opened: list[Row] = yield Execute(connection, asked.shelf.names(statements.ADD_BRANCH), fork)
    no: int = opened[0][0]
    return no


def _find_repeat(connection: Connection, asked: Append, no: int, head_seq: int) -> Flow[int]:
    span = {
        "tenant": asked.shelf.tenant,
        "no": no,
        "after": asked.expected_seq,
        "upto": asked.expected_seq + len(asked.records),
    }
    standing: list[Row] = yield Execute(connection, asked.shelf.names(statements.STANDING), span)
    hashes = [row[0] for row in standing]
    require_repeat(asked.records, hashes, expected_seq=asked.expected_seq, head_seq=head_seq)
    position: int = standing[-1][1]
    return position
