-- The log, its snapshots, and one view to read it with.

-- One row a thread, for ever: a deleted thread keeps its row, so that late writers are refused.
CREATE TABLE threads (
    no INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    current TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, thread_id)
);

-- Numbered in the order of creation, so parents stand before their children.
CREATE TABLE branches (
    no INTEGER PRIMARY KEY,
    thread_no INTEGER NOT NULL REFERENCES threads (no),
    branch TEXT NOT NULL,
    parent TEXT,
    fork_seq INTEGER NOT NULL,
    name TEXT,
    UNIQUE (thread_no, branch)
);

-- `position` is the rowid. It is never used twice, because the newest event is never removed:
-- deleting a thread first adds its tombstone at the top.
CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    branch_no INTEGER NOT NULL REFERENCES branches (no),
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    version INTEGER NOT NULL,
    run_id TEXT NOT NULL,
    namespace TEXT NOT NULL,
    checkpoint_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    hash BLOB NOT NULL,
    payload NOT NULL,
    UNIQUE (branch_no, seq)
);

CREATE TABLE snapshots (
    branch_no INTEGER NOT NULL REFERENCES branches (no),
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (branch_no, seq)
);

-- Times are microseconds since 1970 UTC; payloads are JSON text, or blobs where they are encrypted.
CREATE VIEW event_log AS
SELECT
    events.position,
    threads.tenant,
    threads.thread_id,
    branches.branch,
    events.seq,
    events.kind,
    events.version,
    events.run_id,
    events.namespace,
    events.checkpoint_id,
    events.task_id,
    events.recorded_at,
    events.actor,
    lower(hex(events.hash)) AS hash,
    events.payload
FROM events
JOIN branches ON branches.no = events.branch_no
JOIN threads ON threads.no = branches.thread_no;
