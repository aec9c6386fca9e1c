-- The first released schema. It is never changed any more: what comes later is a step of its own.

-- A task. Moments are microseconds since the epoch, 0 where there is none.
-- wakes_at: when `tick` has something to do with it, other than to time it out.
-- started_at, ended_at, faulted, runner: its latest attempt; earlier ones are in `attempts`.
-- token: of the claim that has taken it, drawn at random, so that none comes twice and what one took is found by it.
-- changed: the transaction that wrote this version, by which a host finds what it has not heard of.
CREATE TABLE tasks (
    id uuid PRIMARY KEY,
    submitted_at bigint NOT NULL,
    not_before bigint NOT NULL,
    deadline bigint NOT NULL,
    attempt_s double precision NOT NULL,
    due_at bigint NOT NULL,
    wakes_at bigint NOT NULL DEFAULT 0,
    started_at bigint NOT NULL DEFAULT 0,
    ended_at bigint NOT NULL DEFAULT 0,
    finished_at bigint NOT NULL DEFAULT 0,
    turn bigint,
    seq bigint NOT NULL DEFAULT 1,
    token bigint NOT NULL DEFAULT 0,
    changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
    progress double precision NOT NULL DEFAULT 0,
    attempts_max integer NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    waits_for integer NOT NULL DEFAULT 0,
    priority smallint NOT NULL,
    codec smallint NOT NULL,
    reply_codec smallint NOT NULL,
    result_codec smallint NOT NULL DEFAULT 0,
    cancelling boolean NOT NULL DEFAULT false,
    faulted boolean NOT NULL DEFAULT false,
    state text COLLATE "C" NOT NULL,
    function text COLLATE "C" NOT NULL,
    version text NOT NULL,
    caller text COLLATE "C" NOT NULL,
    key text NOT NULL,
    trace text NOT NULL,
    parent text COLLATE "C" NOT NULL,
    schedule text COLLATE "C" NOT NULL,
    message text NOT NULL DEFAULT '',
    runner text COLLATE "C" NOT NULL DEFAULT '',
    key_digest bytea,
    fingerprint bytea NOT NULL,
    callback bytea NOT NULL,
    fault bytea NOT NULL DEFAULT '',
    body bytea NOT NULL,
    result bytea NOT NULL DEFAULT ''
);

-- What is large lies beside the rows, as it came: the row has a reference to it, which is all that an update copies.
ALTER TABLE tasks ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE tasks ALTER COLUMN result SET STORAGE EXTERNAL;
ALTER TABLE tasks SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX tasks_ready ON tasks (function, priority, turn, id) WHERE state = 'PENDING' AND wakes_at = 0;
CREATE INDEX tasks_oldest ON tasks (function, due_at) WHERE state = 'PENDING' AND wakes_at = 0;
CREATE INDEX tasks_waking ON tasks (wakes_at) WHERE wakes_at > 0;
CREATE INDEX tasks_expiring ON tasks (deadline) WHERE deadline > 0 AND state IN ('SCHEDULED', 'PENDING', 'RETRYING');
CREATE INDEX tasks_running ON tasks (function, runner) WHERE state = 'RUNNING';
CREATE INDEX tasks_ended ON tasks (finished_at, id) WHERE finished_at > 0;
CREATE INDEX tasks_listed ON tasks (function, state, id);
CREATE INDEX tasks_called ON tasks ((left(caller, 200)), state, id) WHERE caller <> '';
CREATE INDEX tasks_parent ON tasks (parent, state, id) WHERE parent <> '';
CREATE INDEX tasks_schedule ON tasks (schedule, state, id) WHERE schedule <> '';
CREATE INDEX tasks_changed ON tasks (changed, id);
CREATE UNIQUE INDEX tasks_key ON tasks (key_digest) WHERE key_digest IS NOT NULL;

CREATE TABLE attempts (
    task uuid NOT NULL,
    number integer NOT NULL,
    runner text NOT NULL,
    started_at bigint NOT NULL,
    ended_at bigint NOT NULL,
    fault bytea NOT NULL,
    PRIMARY KEY (task, number)
);

CREATE TABLE notes (
    task uuid NOT NULL,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    level text NOT NULL,
    message text NOT NULL,
    PRIMARY KEY (task, seq)
);

-- Which task waits for which, since the attempt with that token.
CREATE TABLE waits (
    task uuid NOT NULL,
    awaited uuid NOT NULL,
    token bigint NOT NULL,
    PRIMARY KEY (task, awaited)
);
CREATE INDEX waits_awaited ON waits (awaited);

-- Start-time fair queueing: where the next task of a caller stands among those of a function and a priority.
CREATE TABLE flows (
    function text COLLATE "C" NOT NULL,
    priority smallint NOT NULL,
    flow text COLLATE "C" NOT NULL,
    place integer NOT NULL,
    asked integer NOT NULL,
    finish bigint NOT NULL,
    PRIMARY KEY (function, priority, flow)
);
CREATE INDEX flows_finish ON flows (function, priority, finish);

-- How many tasks there are, as a sum: every statement adds what it changes, and `prune` adds it up.
CREATE TABLE tallies (
    function text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    n bigint NOT NULL
);

CREATE TABLE runners (
    id text COLLATE "C" PRIMARY KEY,
    count bigint NOT NULL DEFAULT 0,
    pid bigint NOT NULL,
    born_at double precision NOT NULL,
    boot text NOT NULL,
    space text NOT NULL,
    name text NOT NULL
);

-- state: DUE, TAKEN or DEAD. ended: the task as it ended, where it was replayed since.
CREATE TABLE deliveries (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    position bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    task uuid NOT NULL,
    target bytea NOT NULL,
    state text COLLATE "C" NOT NULL DEFAULT 'DUE',
    due_at bigint NOT NULL DEFAULT 0,
    number integer NOT NULL DEFAULT 0,
    token bigint NOT NULL DEFAULT 0,
    runner text COLLATE "C" NOT NULL DEFAULT '',
    fault text NOT NULL DEFAULT '',
    changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
    ended jsonb
);
CREATE INDEX deliveries_due ON deliveries (due_at, position) WHERE state = 'DUE';
CREATE INDEX deliveries_taken ON deliveries (runner) WHERE state = 'TAKEN';
CREATE INDEX deliveries_dead ON deliveries (changed) WHERE state = 'DEAD';
CREATE INDEX deliveries_task ON deliveries (task);

CREATE TABLE schedules (
    name text COLLATE "C" PRIMARY KEY,
    slot bigint NOT NULL
);
