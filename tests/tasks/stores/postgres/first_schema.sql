-- The first released schema, with tasks in it, as pg_dump wrote them.
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA dragoman;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE dragoman.attempts (
    task uuid NOT NULL,
    number integer NOT NULL,
    runner text NOT NULL,
    started_at bigint NOT NULL,
    ended_at bigint NOT NULL,
    fault bytea NOT NULL
);
CREATE TABLE dragoman.deliveries (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    "position" bigint NOT NULL,
    task uuid NOT NULL,
    target bytea NOT NULL,
    state text DEFAULT 'DUE'::text NOT NULL COLLATE pg_catalog."C",
    due_at bigint DEFAULT 0 NOT NULL,
    number integer DEFAULT 0 NOT NULL,
    token bigint DEFAULT 0 NOT NULL,
    runner text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    fault text DEFAULT ''::text NOT NULL,
    changed xid8 DEFAULT pg_current_xact_id() NOT NULL,
    ended jsonb
);
ALTER TABLE dragoman.deliveries ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME dragoman.deliveries_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE dragoman.flows (
    function text NOT NULL COLLATE pg_catalog."C",
    priority smallint NOT NULL,
    flow text NOT NULL COLLATE pg_catalog."C",
    place integer NOT NULL,
    asked integer NOT NULL,
    finish bigint NOT NULL
);
CREATE TABLE dragoman.notes (
    task uuid NOT NULL,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    level text NOT NULL,
    message text NOT NULL
);
CREATE TABLE dragoman.runners (
    id text NOT NULL COLLATE pg_catalog."C",
    count bigint DEFAULT 0 NOT NULL,
    pid bigint NOT NULL,
    born_at double precision NOT NULL,
    boot text NOT NULL,
    space text NOT NULL,
    name text NOT NULL
);
CREATE TABLE dragoman.schedules (
    name text NOT NULL COLLATE pg_catalog."C",
    slot bigint NOT NULL
);
CREATE TABLE dragoman.steps (
    number integer NOT NULL,
    half text NOT NULL,
    done_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE dragoman.tallies (
    function text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    n bigint NOT NULL
);
CREATE TABLE dragoman.tasks (
    id uuid NOT NULL,
    submitted_at bigint NOT NULL,
    not_before bigint NOT NULL,
    deadline bigint NOT NULL,
    attempt_s double precision NOT NULL,
    due_at bigint NOT NULL,
    wakes_at bigint DEFAULT 0 NOT NULL,
    started_at bigint DEFAULT 0 NOT NULL,
    ended_at bigint DEFAULT 0 NOT NULL,
    finished_at bigint DEFAULT 0 NOT NULL,
    turn bigint,
    seq bigint DEFAULT 1 NOT NULL,
    token bigint DEFAULT 0 NOT NULL,
    changed xid8 DEFAULT pg_current_xact_id() NOT NULL,
    progress double precision DEFAULT 0 NOT NULL,
    attempts_max integer NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    waits_for integer DEFAULT 0 NOT NULL,
    priority smallint NOT NULL,
    codec smallint NOT NULL,
    reply_codec smallint NOT NULL,
    result_codec smallint DEFAULT 0 NOT NULL,
    cancelling boolean DEFAULT false NOT NULL,
    faulted boolean DEFAULT false NOT NULL,
    state text NOT NULL COLLATE pg_catalog."C",
    function text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL,
    caller text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL,
    trace text NOT NULL,
    parent text NOT NULL COLLATE pg_catalog."C",
    schedule text NOT NULL COLLATE pg_catalog."C",
    message text DEFAULT ''::text NOT NULL,
    runner text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    key_digest bytea,
    fingerprint bytea NOT NULL,
    callback bytea NOT NULL,
    fault bytea DEFAULT '\x'::bytea NOT NULL,
    body bytea NOT NULL,
    result bytea DEFAULT '\x'::bytea NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.05');
ALTER TABLE ONLY dragoman.tasks ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE ONLY dragoman.tasks ALTER COLUMN result SET STORAGE EXTERNAL;
CREATE TABLE dragoman.waits (
    task uuid NOT NULL,
    awaited uuid NOT NULL,
    token bigint NOT NULL
);
INSERT INTO dragoman.attempts VALUES ('01a1fed9-3b8c-7000-8000-000000000005', 1, 'dead-runner', 5000000, 6000000, '\x7b22636f6465223a2022554e4b4e4f574e227d');
INSERT INTO dragoman.deliveries OVERRIDING SYSTEM VALUE VALUES ('fefb74db-a8b0-4f6b-9bd8-91ff2b735ee3', 1, '01a1fed9-3b8c-7000-8000-000000000005', '\x7b2275726c223a202268747470733a2f2f612e6578616d706c652f227d', 'DEAD', 0, 1, 5408614865459117959, '', '404', '782', NULL);
INSERT INTO dragoman.flows VALUES ('old.report', 1, '10.0.0.1', 1, 1, 7);
INSERT INTO dragoman.notes VALUES ('01a1fed9-3b8c-7000-8000-000000000003', 3, 6000000, 'info', 'half way');
INSERT INTO dragoman.runners VALUES ('dead-runner', 0, 1, 1.5, 'boot', 'space', 'host');
INSERT INTO dragoman.schedules VALUES ('nightly', 1700000000000000);
INSERT INTO dragoman.steps VALUES (1, 'pre', '2026-11-21 17:28:22.267604+00');
INSERT INTO dragoman.tallies VALUES ('old.report', 'PENDING', 1);
INSERT INTO dragoman.tallies VALUES ('old.report', 'PENDING', 1);
INSERT INTO dragoman.tallies VALUES ('old.report', 'PENDING', 1);
INSERT INTO dragoman.tallies VALUES ('old.report', 'PENDING', 1);
INSERT INTO dragoman.tallies VALUES ('old.report', 'PENDING', 1);
INSERT INTO dragoman.tallies VALUES ('old.report', 'SCHEDULED', 1);
INSERT INTO dragoman.tallies VALUES ('old.report', 'PENDING', -5);
INSERT INTO dragoman.tallies VALUES ('old.report', 'RUNNING', 5);
INSERT INTO dragoman.tallies VALUES ('old.report', 'RETRYING', 2);
INSERT INTO dragoman.tallies VALUES ('old.report', 'SUCCEEDED', 1);
INSERT INTO dragoman.tallies VALUES ('old.report', 'PENDING', 1);
INSERT INTO dragoman.tallies VALUES ('old.report', 'RUNNING', -4);
INSERT INTO dragoman.tallies VALUES ('old.report', 'PENDING', 1);
INSERT INTO dragoman.tallies VALUES ('old.report', 'RETRYING', -1);
INSERT INTO dragoman.tallies VALUES ('old.report', 'PENDING', -2);
INSERT INTO dragoman.tallies VALUES ('old.report', 'RUNNING', 2);
INSERT INTO dragoman.tallies VALUES ('old.report', 'RUNNING', -2);
INSERT INTO dragoman.tallies VALUES ('old.report', 'DEAD', 1);
INSERT INTO dragoman.tallies VALUES ('old.report', 'PENDING', 1);
INSERT INTO dragoman.tallies VALUES ('old.report', 'PENDING', 1);
INSERT INTO dragoman.tallies VALUES ('old.report', 'PENDING', 1);
INSERT INTO dragoman.tasks VALUES ('01a1fed9-3b8c-7000-8000-000000000006', 6000000, 9000000000, 0, 0, 9000000000, 9000000000, 0, 0, 0, NULL, 1, 0, '766', 0, 2, 0, 0, 1, 1, 1, 0, false, false, 'SCHEDULED', 'old.report', '1.0', '10.0.0.1', '', '00-11111111111111111111111111111111-2222222222222222-01', '', '', '', '', NULL, '\x', '\x', '\x', '\x7b227061676573223a20367d', '\x');
INSERT INTO dragoman.tasks VALUES ('01a1fed9-3b8c-7000-8000-000000000002', 2000000, 0, 0, 0, 2000000, 0, 5000000, 6000000, 6000000, 1, 3, 3443072177790301014, '771', 0, 2, 1, 0, 1, 1, 1, 1, false, false, 'SUCCEEDED', 'old.report', '1.0', '10.0.0.1', '', '00-11111111111111111111111111111111-2222222222222222-01', '', '', '', 'dead-runner', NULL, '\x', '\x', '\x', '\x7b227061676573223a20327d', '\x3432');
INSERT INTO dragoman.tasks VALUES ('01a1fed9-3b8c-7000-8000-000000000004', 4000000, 0, 0, 0, 7000000000, 7000000000, 5000000, 6000000, 0, 3, 3, 3443072177790301014, '771', 0, 2, 1, 0, 1, 1, 1, 0, false, true, 'RETRYING', 'old.report', '1.0', '10.0.0.1', '', '00-11111111111111111111111111111111-2222222222222222-01', '', '', '', 'dead-runner', NULL, '\x', '\x', '\x7b22636f6465223a2022554e4b4e4f574e227d', '\x7b227061676573223a20347d', '\x');
INSERT INTO dragoman.tasks VALUES ('01a1fed9-3b8c-7000-8000-000000000003', 3000000, 0, 0, 0, 3000000, 0, 5000000, 0, 0, 2, 4, 3443072177790301014, '773', 0.5, 2, 1, 0, 1, 1, 1, 0, false, false, 'RUNNING', 'old.report', '1.0', '10.0.0.1', '', '00-11111111111111111111111111111111-2222222222222222-01', '', '', 'half', 'dead-runner', NULL, '\x', '\x', '\x', '\x7b227061676573223a20337d', '\x');
INSERT INTO dragoman.tasks VALUES ('01a1fed9-3b8c-7000-8000-000000000001', 1000000, 0, 0, 0, 6000000, 0, 0, 6000000, 0, 0, 5, 2786374443700612683, '779', 0, 2, 0, 0, 1, 1, 1, 0, false, false, 'PENDING', 'old.report', '1.0', '10.0.0.1', 'k1', '00-11111111111111111111111111111111-2222222222222222-01', '', '', '', 'dead-runner', '\x2546c7e81e0351117ff15e5b24476ad1590a0bbdeedfce04092f89ddd4933a08', '\x01', '\x', '\x', '\x7b227061676573223a20317d', '\x');
INSERT INTO dragoman.tasks VALUES ('01a1fed9-3b8c-7000-8000-000000000005', 5000000, 0, 0, 0, 7000000, 0, 8000000, 6000000, 6000000, 4, 6, 2786374443700612683, '779', 0, 2, 2, 0, 1, 1, 1, 0, false, true, 'DEAD', 'old.report', '1.0', '10.0.0.1', '', '00-11111111111111111111111111111111-2222222222222222-01', '', '', '', 'dead-runner', NULL, '\x', '\x7b2275726c223a202268747470733a2f2f612e6578616d706c652f227d', '\x7b22636f6465223a2022554e4b4e4f574e227d', '\x7b227061676573223a20357d', '\x');
INSERT INTO dragoman.tasks VALUES ('01a1fed9-3b8c-7000-8000-000000000007', 7000000, 0, 0, 0, 7000000, 0, 0, 0, 0, 5, 1, 0, '783', 0, 2, 0, 0, 1, 1, 1, 0, false, false, 'PENDING', 'old.report', '1.0', '10.0.0.1', '', '00-11111111111111111111111111111111-2222222222222222-01', '', 'nightly', '', '', NULL, '\x', '\x', '\x', '\x7b227061676573223a20377d', '\x');
INSERT INTO dragoman.tasks VALUES ('01a1fed9-3b8c-7000-8000-000000000008', 8000000, 0, 0, 0, 8000000, 0, 0, 0, 0, 6, 1, 0, '785', 0, 2, 0, 0, 1, 1, 1, 0, false, false, 'PENDING', 'old.report', '1.0', '10.0.0.1', '', '00-11111111111111111111111111111111-2222222222222222-01', '01a1fed9-3b8c-7000-8000-000000000001', '', '', '', NULL, '\x', '\x', '\x', '\x7b227061676573223a20387d', '\x');
SELECT pg_catalog.setval('dragoman.deliveries_position_seq', 1, true);
ALTER TABLE ONLY dragoman.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (task, number);
ALTER TABLE ONLY dragoman.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (id);
ALTER TABLE ONLY dragoman.flows
    ADD CONSTRAINT flows_pkey PRIMARY KEY (function, priority, flow);
ALTER TABLE ONLY dragoman.notes
    ADD CONSTRAINT notes_pkey PRIMARY KEY (task, seq);
ALTER TABLE ONLY dragoman.runners
    ADD CONSTRAINT runners_pkey PRIMARY KEY (id);
ALTER TABLE ONLY dragoman.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (name);
ALTER TABLE ONLY dragoman.steps
    ADD CONSTRAINT steps_pkey PRIMARY KEY (number, half);
ALTER TABLE ONLY dragoman.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (id);
ALTER TABLE ONLY dragoman.waits
    ADD CONSTRAINT waits_pkey PRIMARY KEY (task, awaited);
CREATE INDEX deliveries_dead ON dragoman.deliveries USING btree (changed) WHERE (state = 'DEAD'::text);
CREATE INDEX deliveries_due ON dragoman.deliveries USING btree (due_at, "position") WHERE (state = 'DUE'::text);
CREATE INDEX deliveries_taken ON dragoman.deliveries USING btree (runner) WHERE (state = 'TAKEN'::text);
CREATE INDEX deliveries_task ON dragoman.deliveries USING btree (task);
CREATE INDEX flows_finish ON dragoman.flows USING btree (function, priority, finish);
CREATE INDEX tasks_called ON dragoman.tasks USING btree ("left"(caller, 200), state, id) WHERE (caller <> ''::text);
CREATE INDEX tasks_changed ON dragoman.tasks USING btree (changed, id);
CREATE INDEX tasks_ended ON dragoman.tasks USING btree (finished_at, id) WHERE (finished_at > 0);
CREATE INDEX tasks_expiring ON dragoman.tasks USING btree (deadline) WHERE ((deadline > 0) AND (state = ANY (ARRAY['SCHEDULED'::text, 'PENDING'::text, 'RETRYING'::text])));
CREATE UNIQUE INDEX tasks_key ON dragoman.tasks USING btree (key_digest) WHERE (key_digest IS NOT NULL);
CREATE INDEX tasks_listed ON dragoman.tasks USING btree (function, state, id);
CREATE INDEX tasks_oldest ON dragoman.tasks USING btree (function, due_at) WHERE ((state = 'PENDING'::text) AND (wakes_at = 0));
CREATE INDEX tasks_parent ON dragoman.tasks USING btree (parent, state, id) WHERE (parent <> ''::text);
CREATE INDEX tasks_ready ON dragoman.tasks USING btree (function, priority, turn, id) WHERE ((state = 'PENDING'::text) AND (wakes_at = 0));
CREATE INDEX tasks_running ON dragoman.tasks USING btree (function, runner) WHERE (state = 'RUNNING'::text);
CREATE INDEX tasks_schedule ON dragoman.tasks USING btree (schedule, state, id) WHERE (schedule <> ''::text);
CREATE INDEX tasks_waking ON dragoman.tasks USING btree (wakes_at) WHERE (wakes_at > 0);
CREATE INDEX waits_awaited ON dragoman.waits USING btree (awaited);
