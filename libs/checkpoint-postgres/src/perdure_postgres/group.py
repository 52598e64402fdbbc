"""Several appends in one statement: what many runs on one event loop wait for at the same time.

An append that does not fit (a stale head, a fork, a new thread) is left out, and its caller makes it alone, which says
why. When two writers meet in the middle of it, nothing at all is written.
"""

from collections.abc import Sequence
from typing import Any

from psycopg.errors import UniqueViolation

from perdure.ids import MAIN_BRANCH
from perdure_postgres import statements
from perdure_postgres.append import MOST_RECORDS, Append, dump, row_of
from perdure_postgres.effects import Connection, Execute, Flow, Row


def append_group(connection: Connection, asked: Sequence[Append]) -> Flow[list[int]]:
    """Return for each append the position of its last record, or 0 where it was not made."""
    plain = [number for number, one in enumerate(asked) if _is_plain(one)]
    made = [0] * len(asked)
    rows: list[dict[str, Any]] = []
    ends: dict[int, int] = {}
    taken: set[tuple[str, str]] = set()
    places: list[dict[str, Any]] = []
    for number in plain:
        one = asked[number]
        if (one.thread_id, one.branch) in taken:
            continue
        taken.add((one.thread_id, one.branch))
        places.append(_place(number, one))
        rows += [{**row_of(record), "a": number, "i": index} for index, record in enumerate(one.records, 1)]
        ends[len(rows)] = number
    if len(places) < 2 or len(rows) > MOST_RECORDS:
        return made
    bound = {"tenant": asked[0].shelf.tenant, "places": dump(places).decode(), "rows": dump(rows).decode()}
    try:
        added: list[Row] = yield Execute(connection, asked[0].shelf.names(statements.EXTEND_MANY), bound)
    except UniqueViolation:
        return made
    for (position,) in added:
        number = ends.get(position & MOST_RECORDS, -1)
        if number >= 0:
            made[number] = position
    return made


def _is_plain(one: Append) -> bool:
    return one.opens is None and one.current == "any" and one.branch == MAIN_BRANCH and one.expected_seq > 0


def _place(number: int, one: Append) -> dict[str, Any]:
    return {
        "a": number,
        "thread": one.thread_id,
        "branch": one.branch,
        "expected": one.expected_seq,
        "envelope": dump(one.records[0][:11]).hex(),
    }
