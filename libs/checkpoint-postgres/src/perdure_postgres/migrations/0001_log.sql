-- The log, its snapshots, and one view to read it with.

-- One row a thread, for ever: a deleted thread keeps its row, so that late writers are refused.
CREATE TABLE {schema}.threads (
    created_at bigint NOT NULL,
    deleted boolean NOT NULL DEFAULT false,
    tenant text COLLATE "C" NOT NULL,
    thread_id text COLLATE "C" NOT NULL,
    current text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, thread_id)
) WITH (fillfactor = 80);

-- Numbered in the order of creation, so parents stand before their children.
CREATE TABLE {schema}.branches (
    no bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    fork_seq bigint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    thread_id text COLLATE "C" NOT NULL,
    branch text COLLATE "C" NOT NULL,
    parent text COLLATE "C",
    name text,
    PRIMARY KEY (tenant, thread_id, branch),
    UNIQUE (tenant, no)
);

-- The primary key is the compare of an append. `position` is made of the transaction's number and a count inside it, so
-- its order is the order in which transactions began, and whoever reads below the oldest open one misses nothing.
-- What is no JSON stands in `raw`; texts with a NUL, which PostgreSQL cannot hold, stand exactly in `texts`. Both are
-- empty and not null elsewhere, because a row without a null is eight bytes shorter.
CREATE TABLE {schema}.events (
    branch_no bigint NOT NULL,
    seq bigint NOT NULL,
    position bigint NOT NULL,
    recorded_at bigint NOT NULL,
    version bigint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    checkpoint_id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    actor text NOT NULL,
    hash bytea NOT NULL,
    payload json,
    raw bytea NOT NULL DEFAULT '',
    texts bytea NOT NULL DEFAULT '',
    PRIMARY KEY (tenant, branch_no, seq) WITH (fillfactor = 95)
) {partitioned};

-- It grows at its end only.
CREATE INDEX events_position ON {schema}.events (tenant, position) WITH (fillfactor = 100);

CREATE TABLE {schema}.snapshots (
    branch_no bigint NOT NULL,
    seq bigint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    hash bytea NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (tenant, branch_no, seq)
) {partitioned};

-- One row: what is added to a transaction's number, and the server to whose numbers it is added. A database that was
-- restored into another server counts on from where its own positions end.
CREATE TABLE {schema}.transactions (ahead bigint NOT NULL, cluster text NOT NULL);
INSERT INTO {schema}.transactions SELECT 0, system_identifier FROM pg_control_system();

CREATE FUNCTION {schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('perdure.deleting', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% of events is refused: the log is append-only', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'delete_thread() removes a thread and leaves a tombstone.';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {schema}.events
    FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON {schema}.events
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();

CREATE VIEW {schema}.event_log WITH (security_invoker = true) AS
SELECT
    events.position,
    events.tenant,
    branches.thread_id,
    branches.branch,
    events.seq,
    events.kind,
    events.version,
    events.run_id,
    events.namespace,
    events.checkpoint_id,
    events.task_id,
    -- Microseconds since 1970, exactly; what is beyond the year 9999 is no time.
    CASE WHEN events.recorded_at BETWEEN 0 AND 253402300799999999
        THEN timestamptz 'epoch' + events.recorded_at * interval '1 microsecond' END AS recorded_at,
    events.actor,
    encode(events.hash, 'hex') AS hash,
    events.payload,
    CASE WHEN events.payload IS NULL THEN events.raw END AS raw
FROM {schema}.events
JOIN {schema}.branches ON branches.tenant = events.tenant AND branches.no = events.branch_no;
