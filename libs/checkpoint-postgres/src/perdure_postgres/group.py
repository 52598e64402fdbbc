"""Several appends in one statement: what many runs on one event loop wait for at the same time.

First appends of new threads go in one statement, appends to known threads in another. An append that does not fit (a
stale head, a fork) is left out, and its caller makes it alone, which says why. When two writers meet in the middle of a
statement, nothing of it is written.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg.errors import DeadlockDetected, UniqueViolation

from perdure.chain import GENESIS, link
from perdure.ids import MAIN_BRANCH
from perdure_postgres import statements
from perdure_postgres.append import MOST_RECORDS, Append, dump, row_of
from perdure_postgres.effects import Connection, Execute, Flow, Row


def append_group(connection: Connection, asked: Sequence[Append]) -> Flow[list[int]]:
    """Return for each append the position of its last record, or 0 where it was not made."""
    made: dict[int, int] = {}
    numbered = list(enumerate(asked))
    made |= yield from _append(connection, statements.OPEN_MANY, [one for one in numbered if _opens(one[1])])
    made |= yield from _append(connection, statements.EXTEND_MANY, [one for one in numbered if _extends(one[1])])
    return [made.get(number, 0) for number, _ in numbered]


def _opens(one: Append) -> bool:
    """Tell whether an append is a new thread's first."""
    return one.expected_seq == 0 and _is_plain(one) and link(GENESIS, one.records[0]) == one.records[0].hash


def _extends(one: Append) -> bool:
    return one.expected_seq > 0 and _is_plain(one) and one.current == "any"


def _is_plain(one: Append) -> bool:
    return one.opens is None and one.branch == MAIN_BRANCH


def _append(connection: Connection, statement: str, asked: Iterable[tuple[int, Append]]) -> Flow[dict[int, int]]:
    """Make appends in one statement, the first of each thread; return the last positions of those that were made."""
    firsts: dict[str, tuple[int, Append]] = {}
    # In one order for all processes, so that two statements that meet do not wait for each other.
    for number, one in sorted(asked, key=lambda each: each[1].thread_id):
        firsts.setdefault(one.thread_id, (number, one))
    rows: list[dict[str, Any]] = []
    ends: dict[int, int] = {}
    for number, one in firsts.values():
        rows += [{**row_of(record), "a": number, "i": index} for index, record in enumerate(one.records, 1)]
        ends[len(rows)] = number
    if len(firsts) < 2 or len(rows) > MOST_RECORDS:
        return {}
    places = [_place(number, one) for number, one in firsts.values()]
    shelf = next(iter(firsts.values()))[1].shelf
    bound = {"tenant": shelf.tenant, "places": dump(places).decode(), "rows": dump(rows).decode()}
    try:
        added: list[Row] = yield Execute(connection, shelf.names(statement), bound)
    except (UniqueViolation, DeadlockDetected):
        return {}
    # In a transaction of its own, the count inside a position is the number of the row.
    return {ends[count]: position for (position,) in added if (count := position & MOST_RECORDS) in ends}


def _place(number: int, one: Append) -> dict[str, Any]:
    return {
        "a": number,
        "thread": one.thread_id,
        "branch": one.branch,
        "expected": one.expected_seq,
        "envelope": dump(one.records[0][:11]).hex(),
    }
