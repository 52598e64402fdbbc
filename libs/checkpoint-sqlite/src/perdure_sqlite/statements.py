"""Every SQL statement of the saver, by name. Values are always bound, never written into the text.

Nothing here is newer than SQLite 3.24. `CROSS JOIN` fixes the order of a join where the planner could guess wrong;
`CAST(payload AS BLOB)` hands back the stored bytes whatever they are.
"""

# -- the schema ----------------------------------------------------------------------------------------------

CREATE_VERSIONS = """
CREATE TABLE IF NOT EXISTS perdure_schema (
    version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL
)"""
HAS_VERSIONS = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'perdure_schema'"
NEWEST_VERSION = "SELECT coalesce(max(version), 0) FROM perdure_schema"
RECORD_VERSION = "INSERT INTO perdure_schema (version, name, applied_at) VALUES (?, ?, ?)"

# -- append --------------------------------------------------------------------------------------------------

FIND_HEAD = """
SELECT t.no, t.deleted, t.current, b.no, e.seq, e.hash
FROM threads t
LEFT JOIN branches b ON b.thread_no = t.no AND b.branch = ?
LEFT JOIN events e ON e.branch_no = b.no AND e.seq = (SELECT max(seq) FROM events WHERE branch_no = b.no)
WHERE t.tenant = ? AND t.thread_id = ?"""
BRANCH_HEAD = """
SELECT (SELECT max(e.seq) FROM events e WHERE e.branch_no = b.no)
FROM branches b WHERE b.thread_no = ? AND b.branch = ?"""
STANDING = "SELECT hash, position FROM events WHERE branch_no = ? AND seq > ? AND seq <= ? ORDER BY seq"
ADD_THREAD = "INSERT INTO threads (tenant, thread_id, current, created_at) VALUES (?, ?, ?, ?)"
ADD_BRANCH = "INSERT INTO branches (thread_no, branch, parent, fork_seq, name) VALUES (?, ?, ?, ?, ?)"
SET_CURRENT = "UPDATE threads SET current = ? WHERE no = ?"
ADD_EVENT = """
INSERT INTO events (
    branch_no, seq, kind, version, run_id, namespace, checkpoint_id, task_id, recorded_at, actor, hash, payload
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""

# -- read ----------------------------------------------------------------------------------------------------

_ENVELOPE = """e.seq, e.kind, e.version, e.run_id, e.namespace, e.checkpoint_id, e.task_id, e.recorded_at, e.actor,
    e.hash, CAST(e.payload AS BLOB), e.position"""
_WINDOW = f"""
SELECT t.thread_id, b.branch, {_ENVELOPE}
FROM threads t CROSS JOIN branches b ON b.thread_no = t.no CROSS JOIN events e ON e.branch_no = b.no
WHERE t.tenant = ? AND t.thread_id = ? AND b.branch = ? AND e.seq > ? AND e.seq <= ?"""  # noqa: S608  (constants only)
TAIL = f"""
SELECT t.thread_id, b.branch, {_ENVELOPE}
FROM events e CROSS JOIN branches b ON b.no = e.branch_no CROSS JOIN threads t ON t.no = b.thread_no
WHERE e.position > ? AND t.tenant = ? ORDER BY e.position LIMIT ?"""  # noqa: S608  (constants only)


def window(*, kinds: int | None, newest_first: bool) -> str:
    """Return the statement that reads a part of a branch: six bound values, with `kinds` names before the limit."""
    wanted = "" if kinds is None else f" AND e.kind IN ({', '.join('?' * kinds)})"
    return f"{_WINDOW}{wanted} ORDER BY e.seq {'DESC' if newest_first else 'ASC'} LIMIT ?"


HEAD = """
SELECT t.deleted, b.branch, e.seq, e.hash
FROM threads t
LEFT JOIN branches b ON b.thread_no = t.no AND b.branch = coalesce(?, t.current)
LEFT JOIN events e ON e.branch_no = b.no AND e.seq = (SELECT max(seq) FROM events WHERE branch_no = b.no)
WHERE t.tenant = ? AND t.thread_id = ?"""
BRANCHES = """
SELECT b.branch, b.parent, b.fork_seq, b.name, e.seq, e.position
FROM threads t
CROSS JOIN branches b ON b.thread_no = t.no
CROSS JOIN events e ON e.branch_no = b.no AND e.seq = (SELECT max(seq) FROM events WHERE branch_no = b.no)
WHERE t.tenant = ? AND t.thread_id = ? AND NOT t.deleted ORDER BY b.no"""
LIST_THREADS = """
SELECT t.thread_id, t.current, t.created_at, e.recorded_at, e.position
FROM threads t
CROSS JOIN branches b ON b.thread_no = t.no AND b.branch = t.current
CROSS JOIN events e ON e.branch_no = b.no AND e.seq = (SELECT max(seq) FROM events WHERE branch_no = b.no)
WHERE t.tenant = ? AND t.thread_id > ? AND NOT t.deleted ORDER BY t.thread_id LIMIT ?"""

# -- snapshots -----------------------------------------------------------------------------------------------

PUT_SNAPSHOT = """
INSERT OR REPLACE INTO snapshots (branch_no, seq, hash, payload)
SELECT b.no, ?, ?, ? FROM threads t CROSS JOIN branches b ON b.thread_no = t.no
WHERE b.branch = ? AND t.tenant = ? AND t.thread_id = ? AND NOT t.deleted"""
GET_SNAPSHOT = """
SELECT b.branch, s.seq, s.hash, s.payload
FROM threads t CROSS JOIN branches b ON b.thread_no = t.no CROSS JOIN snapshots s ON s.branch_no = b.no
WHERE t.tenant = ? AND t.thread_id = ? AND b.branch = ? AND s.seq <= ? ORDER BY s.seq DESC LIMIT 1"""
DROP_SNAPSHOTS = """
DELETE FROM snapshots WHERE branch_no IN (
    SELECT b.no FROM branches b JOIN threads t ON t.no = b.thread_no WHERE t.tenant = ? AND t.thread_id = ?
)"""

# -- delete --------------------------------------------------------------------------------------------------

COUNT_EVENTS = """
SELECT count(*) FROM events WHERE branch_no IN (SELECT no FROM branches WHERE thread_no = ?)"""
REMOVE_EVENTS = """
DELETE FROM events
WHERE branch_no IN (SELECT no FROM branches WHERE thread_no = ?) AND position <> ?"""
REMOVE_FORKS = "DELETE FROM branches WHERE thread_no = ? AND branch <> ?"
MARK_DELETED = "UPDATE threads SET deleted = 1, current = ? WHERE no = ?"
