"""Every SQL statement of the saver, by name. Values are always bound, never written into the text.

What an append brings arrives as one JSON document (the driver binds one value, not hundreds), and everything about it
is decided in one statement: the branch is found, the head's seq and hash are compared, the events are numbered.
`Names` puts the schema's quoted names in the place of `{threads}`, `{events}`, and so on.
"""

from typing import Final

from psycopg.sql import SQL, Identifier

from perdure.ids import MAIN_BRANCH
from perdure.ports import Current

ORDINAL_BITS: Final = 20
"""Bits of a position that count the events of one transaction; those above them are the transaction's number."""
TABLES: Final = ("threads", "branches", "events", "snapshots", "transactions", "migrations")


class Names:
    """Writes one schema's names into statements."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        self._written: dict[str, bytes] = {}

    def __call__(self, statement: str) -> bytes:
        """Return a statement for this schema."""
        written = self._written.get(statement)
        if written is None:
            # The driver reads a statement with values for "%" signs, also in names.
            schema = self.schema.replace("%", "%%") if "%(" in statement else self.schema
            known = {table: Identifier(schema, table) for table in TABLES}
            text = SQL(statement).format(**known, schema=Identifier(schema), bits=SQL(str(ORDINAL_BITS)))
            written = self._written[statement] = text.as_bytes(None)
        return written


_BRANCH_NO = """(
    SELECT no FROM {branches} WHERE tenant = %(tenant)s AND thread_id = %(thread)s AND branch = %(branch)s
)"""
"""Looked up first, so that what follows reads one index in its order, and one partition only."""

# -- append --------------------------------------------------------------------------------------------------

_KEYS = """
        at bigint, v bigint, k text, run text, ns text, ck text, task text, who text, h text, p json, b text, t text
    )) WITH ORDINALITY AS one"""
"""An event of the document: recorded_at, version, kind, run_id, namespace, checkpoint_id, task_id, actor, hash (hex),
payload, or raw (hex), and the exact texts (hex) where one has a NUL. `row_of` in `append` writes them."""
_VALUES = """at, v, k, run, ns, ck, task, who, decode(h, 'hex') AS hash, p, decode(coalesce(b, ''), 'hex') AS raw,
        decode(coalesce(t, ''), 'hex') AS texts"""
_COLUMNS = """
    branch_no, seq, position, recorded_at, version, tenant, kind, run_id, namespace, checkpoint_id, task_id, actor,
    hash, payload, raw, texts
"""
_ROWS = f"""
rows AS MATERIALIZED (
    SELECT n, {_VALUES}
    FROM ROWS FROM (json_to_recordset(%(rows)s::json) AS ({_KEYS} (at, v, k, run, ns, ck, task, who, h, p, b, t, n)
), place AS MATERIALIZED (
    SELECT coalesce(
        (SELECT max(e.position) FROM {{events}} e
         WHERE e.tenant = %(tenant)s AND e.position >= own.first AND e.position < own.first + (1 << {{bits}})),
        own.first
    ) AS base
    FROM (SELECT (pg_current_xact_id()::text::bigint + ahead) << {{bits}} AS first FROM {{transactions}} LIMIT 1) AS own
)"""  # noqa: S608  (constants only)
_INSERT = f"""
INSERT INTO {{events}} ({_COLUMNS})
SELECT line.no, %(expected)s::bigint + n, base + n, at, v, %(tenant)s, k, run, ns, ck, task, who, hash, p, raw, texts
FROM line, place, rows
RETURNING position"""  # noqa: S608  (constants only)
_LINE = f"""
line AS MATERIALIZED (
    SELECT e.branch_no AS no
    FROM (
        SELECT e.branch_no, e.seq, e.kind, e.hash
        FROM {{events}} e WHERE e.tenant = %(tenant)s AND e.branch_no = {_BRANCH_NO} ORDER BY e.seq DESC LIMIT 1
    ) AS e JOIN rows ON rows.n = 1
    WHERE e.seq = %(expected)s AND e.kind <> 'ThreadDeleted'
    AND sha256(e.hash || %(envelope)s::bytea || coalesce(convert_to(rows.p::text, 'UTF8'), rows.raw)) = rows.hash"""  # noqa: S608  (constants only)
_LIVING = """
living AS MATERIALIZED (
    SELECT current FROM {threads} WHERE tenant = %(tenant)s AND thread_id = %(thread)s AND NOT deleted"""
_MOVED = """
moved AS (
    UPDATE {threads} SET current = %(branch)s
    WHERE tenant = %(tenant)s AND thread_id = %(thread)s AND current <> %(branch)s AND EXISTS (SELECT FROM line)
)"""
_EXTEND = f"WITH {_ROWS}, {_LINE}) {_INSERT}"
_EXTEND_LIVING = f"WITH {_ROWS}, {_LIVING} FOR SHARE), {_LINE} AND EXISTS (SELECT FROM living)) {_INSERT}"
_STAYS = "(SELECT current FROM living) = %(branch)s"
_EXTEND_CURRENT = f"WITH {_ROWS}, {_LIVING} FOR SHARE), {_LINE} AND {_STAYS}) {_INSERT}"
_EXTEND_MOVING = (
    f"WITH {_ROWS}, {_LIVING} FOR NO KEY UPDATE), {_LINE} AND EXISTS (SELECT FROM living)), {_MOVED} {_INSERT}"
)


def extend(branch: str, current: Current) -> str:
    """Return the statement that appends to a branch if its head is what the writer believes, and returns no row if not.

    Only one statement needs no look at the thread: on `main`, the tombstone of a deleted thread takes the next seq.
    """
    match current:
        case "stays":
            return _EXTEND_CURRENT
        case "becomes":
            return _EXTEND_MOVING
        case _:
            return _EXTEND if branch == MAIN_BRANCH else _EXTEND_LIVING


OPEN_THREAD = f"""
WITH {_ROWS}, thread AS (
    INSERT INTO {{threads}} (tenant, thread_id, current, created_at)
    SELECT %(tenant)s, %(thread)s, %(branch)s, at FROM rows WHERE n = 1
    ON CONFLICT DO NOTHING RETURNING thread_id
), line AS (
    INSERT INTO {{branches}} (tenant, thread_id, branch, fork_seq)
    SELECT %(tenant)s, thread_id, %(branch)s, 0 FROM thread RETURNING no
) {_INSERT}"""  # noqa: S608  (constants only)
ADD_EVENTS = f"WITH {_ROWS}, line AS (SELECT %(no)s::bigint AS no) {_INSERT}"
_MANY = f"""
places AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(places)s::json) AS one (
        a bigint, thread text, branch text, expected bigint, envelope text
    )
), rows AS MATERIALIZED (
    SELECT n, a, i, {_VALUES}
    FROM ROWS FROM (json_to_recordset(%(rows)s::json) AS (
        a bigint, i bigint,{_KEYS} (a, i, at, v, k, run, ns, ck, task, who, h, p, b, t, n)
)"""  # noqa: S608  (constants only)
_INSERT_MANY = f"""
INSERT INTO {{events}} ({_COLUMNS})
SELECT lines.no, lines.expected + i, base + n, at, v, %(tenant)s, k, run, ns, ck, task, who, hash, p, raw, texts
FROM lines JOIN rows USING (a)
CROSS JOIN (
    SELECT (pg_current_xact_id()::text::bigint + ahead) << {{bits}} AS base FROM {{transactions}} LIMIT 1
) AS own
RETURNING position"""  # noqa: S608  (constants only)
EXTEND_MANY = f"""
WITH {_MANY}, lines AS MATERIALIZED (
    SELECT places.a, places.expected, found.no
    FROM places JOIN rows ON rows.a = places.a AND rows.i = 1
    CROSS JOIN LATERAL (
        SELECT e.branch_no AS no, e.seq, e.kind, e.hash
        FROM {{events}} e WHERE e.tenant = %(tenant)s AND e.branch_no = (
            SELECT no FROM {{branches}} b
            WHERE b.tenant = %(tenant)s AND b.thread_id = places.thread AND b.branch = places.branch
        ) ORDER BY e.seq DESC LIMIT 1
    ) AS found
    WHERE found.seq = places.expected AND found.kind <> 'ThreadDeleted' AND rows.hash = sha256(
        found.hash || decode(places.envelope, 'hex') || coalesce(convert_to(rows.p::text, 'UTF8'), rows.raw)
    )
) {_INSERT_MANY}"""  # noqa: S608  (constants only)
"""Several appends to `main` branches: those whose head is not what their writer believes are left out."""
OPEN_MANY = f"""
WITH {_MANY}, opened AS (
    INSERT INTO {{threads}} (tenant, thread_id, current, created_at)
    SELECT %(tenant)s, thread, branch, rows.at FROM places JOIN rows ON rows.a = places.a AND rows.i = 1
    ON CONFLICT DO NOTHING RETURNING thread_id, current
), numbered AS (
    INSERT INTO {{branches}} (tenant, thread_id, branch, fork_seq)
    SELECT %(tenant)s, thread_id, current, 0 FROM opened RETURNING no, thread_id
), lines AS (
    SELECT places.a, places.expected, numbered.no FROM places JOIN numbered ON numbered.thread_id = places.thread
) {_INSERT_MANY}"""  # noqa: S608  (constants only)
"""Several threads' first appends: those whose thread is there already are left out."""
LOCK_THREAD = """
SELECT deleted, current FROM {threads} WHERE tenant = %(tenant)s AND thread_id = %(thread)s FOR NO KEY UPDATE"""
FIND_HEAD = f"""
SELECT e.branch_no, e.seq, e.hash
FROM {{events}} e WHERE e.tenant = %(tenant)s AND e.branch_no = {_BRANCH_NO} ORDER BY e.seq DESC LIMIT 1"""  # noqa: S608
STANDING = """
SELECT hash, position FROM {events}
WHERE tenant = %(tenant)s AND branch_no = %(no)s AND seq > %(after)s AND seq <= %(upto)s ORDER BY seq"""
ADD_BRANCH = """
INSERT INTO {branches} (tenant, thread_id, branch, parent, fork_seq, name)
VALUES (%(tenant)s, %(thread)s, %(branch)s, %(parent)s, %(fork_seq)s, %(name)s) RETURNING no"""
SET_CURRENT = "UPDATE {threads} SET current = %(branch)s WHERE tenant = %(tenant)s AND thread_id = %(thread)s"

# -- read ----------------------------------------------------------------------------------------------------

_ENVELOPE = """e.seq, e.kind, e.version, e.run_id, e.namespace, e.checkpoint_id, e.task_id, e.recorded_at, e.actor,
    e.hash, coalesce(convert_to(e.payload::text, 'UTF8'), e.raw), e.position, e.texts"""
_WINDOW = f"""
SELECT %(thread)s::text, %(branch)s::text, {_ENVELOPE}
FROM {{events}} e WHERE e.tenant = %(tenant)s AND e.branch_no = {_BRANCH_NO}
AND e.seq > %(after)s AND e.seq <= %(upto)s"""  # noqa: S608  (constants only)
_NEWEST = """LATERAL (
    SELECT * FROM {events} n WHERE n.tenant = b.tenant AND n.branch_no = b.no ORDER BY n.seq DESC LIMIT 1
) e"""


def window(*, of_kinds: bool, newest_first: bool) -> str:
    """Return the statement that reads a part of a branch."""
    kinds = " AND e.kind = ANY(%(kinds)s::text[])" if of_kinds else ""
    return f"{_WINDOW}{kinds} ORDER BY e.seq {'DESC' if newest_first else 'ASC'} LIMIT %(limit)s"


TAIL = f"""
SELECT b.thread_id, b.branch, {_ENVELOPE}
FROM {{events}} e JOIN {{branches}} b ON b.tenant = e.tenant AND b.no = e.branch_no
WHERE e.tenant = %(tenant)s AND e.position > %(after)s AND e.position < (
    SELECT (pg_snapshot_xmin(pg_current_snapshot())::text::bigint + ahead) << {{bits}} FROM {{transactions}}
) ORDER BY e.position LIMIT %(limit)s"""  # noqa: S608  (constants only)
RING = "SELECT set_config('synchronous_commit', 'off', true), pg_notify(%(channel)s, '')"
HEAD = f"""
SELECT t.deleted, b.branch, e.seq, e.hash
FROM {{threads}} t
LEFT JOIN {{branches}} b
    ON b.tenant = t.tenant AND b.thread_id = t.thread_id AND b.branch = coalesce(%(branch)s::text, t.current)
LEFT JOIN {_NEWEST} ON true
WHERE t.tenant = %(tenant)s AND t.thread_id = %(thread)s"""  # noqa: S608  (constants only)
BRANCHES = f"""
SELECT b.branch, b.parent, b.fork_seq, b.name, e.seq, e.position
FROM {{branches}} b CROSS JOIN {_NEWEST}
JOIN {{threads}} t ON t.tenant = b.tenant AND t.thread_id = b.thread_id AND NOT t.deleted
WHERE b.tenant = %(tenant)s AND b.thread_id = %(thread)s ORDER BY b.no"""  # noqa: S608  (constants only)
LIST_THREADS = f"""
SELECT t.thread_id, t.current, t.created_at, e.recorded_at, e.position
FROM {{threads}} t
JOIN {{branches}} b ON b.tenant = t.tenant AND b.thread_id = t.thread_id AND b.branch = t.current
CROSS JOIN {_NEWEST}
WHERE t.tenant = %(tenant)s AND t.thread_id > %(after)s AND NOT t.deleted
ORDER BY t.thread_id LIMIT %(limit)s"""  # noqa: S608  (constants only)

# -- snapshots -----------------------------------------------------------------------------------------------

PUT_SNAPSHOT = """
INSERT INTO {snapshots} (tenant, branch_no, seq, hash, payload)
SELECT b.tenant, b.no, %(seq)s::bigint, %(hash)s::bytea, %(payload)s::bytea
FROM {branches} b JOIN {threads} t ON t.tenant = b.tenant AND t.thread_id = b.thread_id AND NOT t.deleted
WHERE b.tenant = %(tenant)s AND b.thread_id = %(thread)s AND b.branch = %(branch)s
FOR SHARE OF t
ON CONFLICT (tenant, branch_no, seq) DO UPDATE SET hash = excluded.hash, payload = excluded.payload"""
GET_SNAPSHOT = f"""
SELECT %(branch)s::text, s.seq, s.hash, s.payload
FROM {{snapshots}} s WHERE s.tenant = %(tenant)s AND s.branch_no = {_BRANCH_NO} AND s.seq <= %(upto)s
ORDER BY s.seq DESC LIMIT 1"""  # noqa: S608  (constants only)
DROP_SNAPSHOTS = """
DELETE FROM {snapshots} WHERE tenant = %(tenant)s AND branch_no IN (
    SELECT no FROM {branches} WHERE tenant = %(tenant)s AND thread_id = %(thread)s
) RETURNING 1"""

# -- delete --------------------------------------------------------------------------------------------------

ALLOW_DELETE = "SELECT set_config('perdure.deleting', %(allowed)s, true)"
MARK_DELETED = """
UPDATE {threads} SET deleted = true, current = %(branch)s
WHERE tenant = %(tenant)s AND thread_id = %(thread)s AND NOT deleted RETURNING 1"""
REMOVE_EVENTS = """
WITH gone AS (
    DELETE FROM {events} WHERE tenant = %(tenant)s AND position <> %(stone)s AND branch_no IN (
        SELECT no FROM {branches} WHERE tenant = %(tenant)s AND thread_id = %(thread)s
    ) RETURNING 1
) SELECT count(*) FROM gone"""
COUNT_EVENTS = """
SELECT count(*) FROM {events} WHERE tenant = %(tenant)s AND branch_no IN (
    SELECT no FROM {branches} WHERE tenant = %(tenant)s AND thread_id = %(thread)s
)"""
REMOVE_FORKS = """
DELETE FROM {branches} WHERE tenant = %(tenant)s AND thread_id = %(thread)s AND branch <> %(branch)s"""

# -- the schema ----------------------------------------------------------------------------------------------

LOCK_SCHEMA = "SELECT pg_try_advisory_xact_lock(hashtextextended(%(key)s, 0))"
LOOK_AROUND = """
SELECT to_regclass(%(table)s) IS NOT NULL, current_setting('server_encoding'),
    current_setting('server_version_num')::bigint"""
HAS_SCHEMA = "SELECT to_regnamespace(%(schema)s) IS NOT NULL"
CREATE_SCHEMA = "CREATE SCHEMA IF NOT EXISTS {schema}"
CREATE_MIGRATIONS = """
CREATE TABLE IF NOT EXISTS {migrations} (
    version bigint PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
)"""
NEWEST_MIGRATION = "SELECT coalesce(max(version), 0) FROM {migrations}"
RECORD_MIGRATION = "INSERT INTO {migrations} (version, name) VALUES (%(version)s, %(name)s)"
COUNT_PARTITIONS = "SELECT count(*) FROM pg_inherits WHERE inhparent = to_regclass(%(table)s)"
HAS_POLICY = """
SELECT EXISTS (
    SELECT FROM pg_policies p JOIN pg_tables t USING (schemaname, tablename)
    WHERE p.schemaname = %(schema)s AND p.tablename = %(table)s AND p.policyname = 'own_tenant' AND t.rowsecurity
)"""
# Another server's identifier, or, in a clone of the same server, a transaction's number that is still to come: one that
# is neither ended nor our own.
IS_RESTORED = """
SELECT cluster <> (SELECT system_identifier FROM pg_control_system())::text
    OR coalesce((SELECT max(position) FROM {events} WHERE tenant = %(tenant)s) >> {bits}, 0)
        >= ahead + greatest(
            pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
            pg_current_xact_id_if_assigned()::text::bigint + 1
        )
FROM {transactions}"""
SEES_ALL = "SELECT NOT row_security_active(%(table)s)"
COUNT_ON = """
UPDATE {transactions} SET
    cluster = (SELECT system_identifier FROM pg_control_system())::text,
    ahead = greatest(ahead, (
        SELECT (coalesce(max(position), 0) >> {bits}) + 1 - pg_current_xact_id()::text::bigint FROM {events}
    ))"""
