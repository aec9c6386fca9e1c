-- The first released tables with tasks in them, as the sqlite3 module's `iterdump` wrote them then. It is never changed.
PRAGMA application_id = 1148348269;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE attempts (
        task INTEGER, number INTEGER, runner TEXT NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER NOT NULL,
        fault BLOB NOT NULL, PRIMARY KEY (task, number)
    ) WITHOUT ROWID
    ;
INSERT INTO "attempts" VALUES(5,1,'dead-runner',5000000,6000000,X'7B22636F6465223A2022554E4B4E4F574E227D');
CREATE TABLE bodies (slot INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE changes (
        n INTEGER PRIMARY KEY AUTOINCREMENT, task TEXT NOT NULL, function TEXT NOT NULL, state INTEGER NOT NULL,
        seq INTEGER NOT NULL, cancelling INTEGER NOT NULL, origin TEXT NOT NULL
    );
CREATE TABLE clocks (function TEXT, priority INTEGER, turn INTEGER NOT NULL, PRIMARY KEY (function, priority))
    WITHOUT ROWID
    ;
INSERT INTO "clocks" VALUES('old.report',1,4);
CREATE TABLE deliveries (
        n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, task INTEGER NOT NULL, target BLOB NOT NULL,
        state INTEGER NOT NULL, seq INTEGER NOT NULL, attempts INTEGER NOT NULL, attempts_max INTEGER NOT NULL,
        deadline INTEGER NOT NULL, due_at INTEGER NOT NULL, started_at INTEGER NOT NULL, finished_at INTEGER NOT NULL,
        progress REAL NOT NULL, message TEXT NOT NULL, fault BLOB NOT NULL,
        number INTEGER NOT NULL DEFAULT 0, next_at INTEGER NOT NULL DEFAULT 0,
        runner TEXT NOT NULL DEFAULT '', token INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0,
        trouble TEXT NOT NULL DEFAULT ''
    );
INSERT INTO "deliveries" VALUES(1,'01a1fed9-3b8c-7000-8000-000000000005-6',5,X'7B2275726C223A202268747470733A2F2F612E6578616D706C652F227D',8,6,2,2,0,7000000,8000000,9000000,0.0,'',X'7B22636F6465223A2022554E4B4E4F574E227D',1,0,'',1,1,'it answers 500');
CREATE TABLE flows (
        function TEXT, priority INTEGER, caller TEXT, finish INTEGER NOT NULL, PRIMARY KEY (function, priority, caller)
    ) WITHOUT ROWID
    ;
INSERT INTO "flows" VALUES('old.report',1,'10.0.0.1',9);
CREATE TABLE listeners (
        id TEXT PRIMARY KEY, pid INTEGER NOT NULL, born_at REAL NOT NULL, boot TEXT NOT NULL, space TEXT NOT NULL,
        version INTEGER NOT NULL
    ) WITHOUT ROWID
    ;
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO "meta" VALUES('needs',1);
CREATE TABLE notes (
        task INTEGER, seq INTEGER, at INTEGER NOT NULL, level TEXT NOT NULL, message TEXT NOT NULL,
        PRIMARY KEY (task, seq)
    ) WITHOUT ROWID
    ;
INSERT INTO "notes" VALUES(3,4,5000000,'info','half way');
CREATE TABLE runners (
        id TEXT PRIMARY KEY, count INTEGER NOT NULL, pid INTEGER NOT NULL, born_at REAL NOT NULL, boot TEXT NOT NULL,
        space TEXT NOT NULL, name TEXT NOT NULL
    ) WITHOUT ROWID
    ;
INSERT INTO "runners" VALUES('dead-runner',1,0,0.0,'','','');
CREATE TABLE schedules (name TEXT PRIMARY KEY, slot INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO "schedules" VALUES('nightly',1700000000000000);
CREATE TABLE tallies (function TEXT, state INTEGER, count INTEGER NOT NULL, PRIMARY KEY (function, state))
    WITHOUT ROWID
    ;
INSERT INTO "tallies" VALUES('old.report',0,1);
INSERT INTO "tallies" VALUES('old.report',1,3);
INSERT INTO "tallies" VALUES('old.report',2,1);
INSERT INTO "tallies" VALUES('old.report',3,1);
INSERT INTO "tallies" VALUES('old.report',4,1);
INSERT INTO "tallies" VALUES('old.report',8,1);
CREATE TABLE tasks (
        n INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        state INTEGER NOT NULL,
        function TEXT NOT NULL,
        version TEXT NOT NULL,
        caller TEXT NOT NULL,
        priority INTEGER NOT NULL,
        turn INTEGER NOT NULL DEFAULT 0,
        held INTEGER NOT NULL DEFAULT 0,
        due_at INTEGER NOT NULL,
        deadline INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        attempts_max INTEGER NOT NULL,
        token INTEGER NOT NULL DEFAULT 0,
        runner TEXT NOT NULL DEFAULT '',
        started_at INTEGER NOT NULL DEFAULT 0,
        ended_at INTEGER NOT NULL DEFAULT 0,
        finished_at INTEGER NOT NULL DEFAULT 0,
        cancelling INTEGER NOT NULL DEFAULT 0,
        waits_for INTEGER NOT NULL DEFAULT 0,
        seq INTEGER NOT NULL DEFAULT 1,
        progress REAL NOT NULL DEFAULT 0,
        message TEXT NOT NULL DEFAULT '',
        faulted INTEGER NOT NULL DEFAULT 0,
        submitted_at INTEGER NOT NULL,
        not_before INTEGER NOT NULL,
        attempt_s REAL NOT NULL,
        codec INTEGER NOT NULL,
        reply_codec INTEGER NOT NULL,
        result_codec INTEGER NOT NULL DEFAULT 0,
        key TEXT NOT NULL,
        fingerprint BLOB NOT NULL,
        trace TEXT NOT NULL,
        parent TEXT NOT NULL,
        schedule TEXT NOT NULL,
        callback BLOB NOT NULL,
        fault BLOB NOT NULL DEFAULT x'',
        body BLOB,
        result BLOB DEFAULT x''
    );
INSERT INTO "tasks" VALUES(1,'01a1fed9-3b8c-7000-8000-000000000001',1,'old.report','1.0','10.0.0.1',1,4,0,1000000,0,0,2,2,'',0,0,0,0,0,5,0.0,'',0,1000000,0,0.0,1,1,0,'k1',X'66','00-11111111111111111111111111111111-2222222222222222-01','','',X'',X'',X'7B227061676573223A20317D',X'');
INSERT INTO "tasks" VALUES(2,'01a1fed9-3b8c-7000-8000-000000000002',4,'old.report','1.0','10.0.0.1',1,1,0,2000000,0,1,2,1,'dead-runner',5000000,6000000,6000000,0,0,3,0.0,'',0,2000000,0,0.0,1,1,1,'',X'','00-11111111111111111111111111111111-2222222222222222-01','','',X'',X'',X'7B227061676573223A20327D',X'34');
INSERT INTO "tasks" VALUES(3,'01a1fed9-3b8c-7000-8000-000000000003',2,'old.report','1.0','10.0.0.1',1,2,0,3000000,0,1,2,1,'dead-runner',5000000,0,0,0,0,4,0.5,'half',0,3000000,0,0.0,1,1,0,'',X'','00-11111111111111111111111111111111-2222222222222222-01','','',X'',X'',X'7B227061676573223A20337D',X'');
INSERT INTO "tasks" VALUES(4,'01a1fed9-3b8c-7000-8000-000000000004',3,'old.report','1.0','10.0.0.1',1,4,1,7000000000,0,1,2,1,'dead-runner',5000000,6000000,0,0,0,3,0.0,'',1,4000000,0,0.0,1,1,0,'',X'','00-11111111111111111111111111111111-2222222222222222-01','','',X'',X'7B22636F6465223A2022554E4B4E4F574E227D',X'7B227061676573223A20347D',X'');
INSERT INTO "tasks" VALUES(5,'01a1fed9-3b8c-7000-8000-000000000005',8,'old.report','1.0','10.0.0.1',1,4,0,7000000,0,2,2,2,'dead-runner',8000000,9000000,9000000,0,0,6,0.0,'',2,5000000,0,0.0,1,1,0,'',X'','00-11111111111111111111111111111111-2222222222222222-01','','',X'7B2275726C223A202268747470733A2F2F612E6578616D706C652F227D',X'7B22636F6465223A2022554E4B4E4F574E227D',X'7B227061676573223A20357D',X'');
INSERT INTO "tasks" VALUES(6,'01a1fed9-3b8c-7000-8000-000000000006',0,'old.report','1.0','10.0.0.1',1,0,1,9000000000,0,0,2,0,'',0,0,0,0,0,1,0.0,'',0,6000000,9000000000,0.0,1,1,0,'',X'','00-11111111111111111111111111111111-2222222222222222-01','','',X'',X'',X'7B227061676573223A20367D',X'');
INSERT INTO "tasks" VALUES(7,'01a1fed9-3b8c-7000-8000-000000000008',1,'old.report','1.0','10.0.0.1',1,7,0,8000000,0,0,2,0,'',0,0,0,0,0,1,0.0,'',0,8000000,0,0.0,1,1,0,'',X'','00-11111111111111111111111111111111-2222222222222222-01','01a1fed9-3b8c-7000-8000-000000000001','',X'',X'',X'7B227061676573223A20387D',X'');
INSERT INTO "tasks" VALUES(8,'01a1fed9-3b8c-7000-8000-000000000007',1,'old.report','1.0','10.0.0.1',1,8,0,7000000,0,0,2,0,'',0,0,0,0,0,1,0.0,'',0,7000000,0,0.0,1,1,0,'',X'','00-11111111111111111111111111111111-2222222222222222-01','','nightly',X'',X'',X'7B227061676573223A20377D',X'');
CREATE TABLE waits (target INTEGER, waiter INTEGER, PRIMARY KEY (target, waiter)) WITHOUT ROWID;
CREATE UNIQUE INDEX tasks_id ON tasks (id);
CREATE UNIQUE INDEX tasks_key ON tasks (function, caller, key) WHERE key <> '';
CREATE INDEX tasks_ready ON tasks (function, priority, turn, due_at) WHERE state = 1 AND held = 0;
CREATE INDEX tasks_oldest ON tasks (function, due_at) WHERE state = 1 AND held = 0;
CREATE INDEX tasks_running ON tasks (function, runner) WHERE state = 2;
CREATE INDEX tasks_cancelling ON tasks (runner) WHERE state = 2 AND cancelling = 1;
CREATE INDEX tasks_due ON tasks (due_at) WHERE held = 1;
CREATE INDEX tasks_deadline ON tasks (deadline) WHERE deadline > 0 AND state IN (0, 1, 3);
CREATE INDEX tasks_finished ON tasks (finished_at) WHERE finished_at > 0;
CREATE INDEX tasks_state ON tasks (state, id);
CREATE INDEX tasks_function ON tasks (function, state, id);
CREATE INDEX tasks_caller ON tasks (caller, state, id) WHERE caller <> '';
CREATE INDEX tasks_parent ON tasks (parent, state, id) WHERE parent <> '';
CREATE INDEX tasks_schedule ON tasks (schedule, state, id) WHERE schedule <> '';
CREATE INDEX waits_waiter ON waits (waiter);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE dead = 0 AND runner = '';
CREATE INDEX deliveries_runner ON deliveries (runner) WHERE runner <> '';
CREATE INDEX deliveries_dead ON deliveries (n) WHERE dead = 1;
CREATE INDEX deliveries_task ON deliveries (task);
DELETE FROM "sqlite_sequence";
COMMIT;
