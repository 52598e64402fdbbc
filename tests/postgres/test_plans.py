"""On a log of a million events every statement finds its rows by an index, whatever values it is asked with."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import ClientCursor

from perdure.chain import link
from perdure.events import Record
from perdure.testing import grow
from perdure_postgres import PostgresSaver, statements
from perdure_postgres.append import dump, write_rows
from perdure_postgres.statements import Names
from tests.postgres.cluster import Cluster

NAMES = Names("perdure")
THREADS = 10_000
LENGTH = 100
"""Events of one thread: a million in all."""
FILL = """
INSERT INTO perdure.threads (tenant, thread_id, current, created_at)
SELECT '', 'thread-' || t, 'main', t FROM generate_series(1, {threads}) AS t;
INSERT INTO perdure.branches (tenant, thread_id, branch, fork_seq)
SELECT '', 'thread-' || t, 'main', 0 FROM generate_series(1, {threads}) AS t;
INSERT INTO perdure.events (
    branch_no, seq, position, recorded_at, version, tenant, kind, run_id, namespace, checkpoint_id, task_id, actor,
    hash, payload
)
SELECT no, seq, (seq * {threads} + no) << 20, seq, 1, '', CASE WHEN seq % 5 = 0 THEN 'StepCommitted' ELSE 'Other' END,
    'run', '', '', '', '', sha256(int8send(seq)), '{{}}'
FROM perdure.branches, generate_series(1, {length}) AS seq;
INSERT INTO perdure.snapshots (tenant, branch_no, seq, hash, payload)
SELECT '', no, 1, '', '' FROM perdure.branches;
UPDATE perdure.transactions SET ahead = {threads} * ({length} + 2);
ANALYZE"""
PLACE = {"tenant": "", "thread": "thread-777", "branch": "main"}


@pytest.fixture(scope="module")
def long_log(postgres: Cluster) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a database with a million events."""
    with postgres.database() as url:
        with PostgresSaver(url) as saver:
            saver.setup()
        with psycopg.connect(url, autocommit=True, cursor_factory=ClientCursor) as connection:
            connection.execute(FILL.format(threads=THREADS, length=LENGTH).encode())
            yield connection


def next_event() -> Record:
    """Return an event that would be the next of a thread."""
    bare = Record("thread-777", "main", LENGTH + 1, "Other", 1, "run", "", "", "", 1, "", b"", b"{}")
    return bare._replace(hash=link(bytes(32), bare))


def extending() -> dict[str, Any]:
    event = next_event()
    return {**PLACE, "expected": LENGTH, "envelope": dump(event[:11]), "rows": write_rows([event])}


WINDOW = {**PLACE, "after": 20, "upto": 60, "limit": 10, "kinds": ["StepCommitted"]}
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "append": (statements.extend("main", "any"), extending()),
    "append to what is current": (statements.extend("main", "stays"), extending()),
    "append to what becomes current": (statements.extend("fork", "becomes"), extending()),
    "second look": (statements.FIND_HEAD, PLACE),
    "lock": (statements.LOCK_THREAD, PLACE),
    "head": (statements.HEAD, {**PLACE, "branch": None}),
    "head of a branch": (statements.HEAD, PLACE),
    "branches": (statements.BRANCHES, PLACE),
    "read": (statements.window(of_kinds=False, newest_first=False), WINDOW),
    "read newest first": (statements.window(of_kinds=False, newest_first=True), WINDOW),
    "read some kinds": (statements.window(of_kinds=True, newest_first=True), WINDOW),
    "tail": (statements.TAIL, {"tenant": "", "after": (20 * THREADS) << 20, "limit": 100}),
    "list": (statements.LIST_THREADS, {"tenant": "", "after": "thread-5", "limit": 20}),
    "newest snapshot": (statements.GET_SNAPSHOT, {**PLACE, "upto": 50}),
}


def explain(connection: psycopg.Connection[Any], statement: str, values: dict[str, Any]) -> str:
    """Return the plan for these values."""
    with ClientCursor(connection) as cursor:
        rows = cursor.execute(b"EXPLAIN " + NAMES(statement), values).fetchall()
    return "\n".join(row[0] for row in rows)


def explain_prepared(connection: psycopg.Connection[Any], statement: str) -> str:
    """Return the plan that a prepared statement has for any values."""
    order: dict[str, str] = {}
    text = re.sub(
        r"%\((\w+)\)s", lambda found: order.setdefault(found[1], f"${len(order) + 1}"), NAMES(statement).decode()
    )
    rows = connection.execute(b"EXPLAIN (GENERIC_PLAN) " + text.encode()).fetchall()
    return "\n".join(row[0] for row in rows)


def scanned(plan: str) -> list[str]:
    """Return the tables of the log that a plan reads from end to end."""
    return re.findall(r"Seq Scan on (?:perdure\.)?(events|branches|threads|snapshots)\b", plan)


@pytest.mark.parametrize("operation", ASKED)
def test_plan_uses_indexes(long_log: psycopg.Connection[Any], operation: str) -> None:
    """No operation reads a table of the log from end to end, and none sorts what an index has in order."""
    statement, values = ASKED[operation]
    for plan in (explain(long_log, statement, values), explain_prepared(long_log, statement)):
        assert "Index" in plan
        assert scanned(plan) == [], plan
        if operation != "branches":  # a few rows a thread, in the order of their numbers
            assert "Sort" not in plan, plan


def test_many_appends_in_one_statement_use_indexes(long_log: psycopg.Connection[Any]) -> None:
    """Each of the places is looked up; none makes the statement read a table."""
    place = {"a": 0, "thread": "thread-777", "branch": "main", "expected": LENGTH, "envelope": "00"}
    rows = [{"a": 0, "i": 1, "at": 1, "v": 1, "k": "Other", "h": "00" * 32, "p": {}}]
    values = {"tenant": "", "places": dump([place] * 8).decode(), "rows": dump(rows * 8).decode()}
    for plan in (
        explain(long_log, statements.EXTEND_MANY, values),
        explain_prepared(long_log, statements.EXTEND_MANY),
    ):
        assert scanned(plan) == [], plan


@pytest.mark.parametrize("branch", ["main", "fork"])
def test_plans_on_a_new_log(postgres_url: str, branch: str) -> None:
    """Before any statistics are gathered, a prepared append finds its head by the branch, not by the seq."""
    with PostgresSaver(postgres_url) as saver:
        grow(saver, "thread-777", 2)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for statement in (statements.extend(branch, "any"), statements.EXTEND_MANY):
            plan = explain_prepared(connection, statement)
            found = re.search(r"Index Scan Backward using events_pkey on events \w+ .*\n +Index Cond: (.+)", plan)
            assert found is not None, plan
            assert "branch_no" in found[1]


def test_the_plans_are_those_of_a_long_log(long_log: psycopg.Connection[Any]) -> None:
    """The log is as long as it says, and a statement that has no index is found out."""
    assert long_log.execute("SELECT count(*) FROM perdure.events").fetchone() == (THREADS * LENGTH,)
    assert scanned(explain(long_log, "SELECT * FROM {events} WHERE actor = 'ada'", {})) == ["events"]
