-- `stays`: to be run again, unless it is being cancelled. `back`: given back, so that it was no attempt.
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(
        $1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bytea[], $6::smallint[], $7::bytea[], $8::bigint[],
        $9::boolean[], $10::boolean[]
    ) AS g (id, token, state, ended_at, result, codec, fault, due_at, stays, back)
),
moved AS (
    UPDATE tasks t
    SET
        state = CASE WHEN g.stays AND t.cancelling THEN 'CANCELLED' ELSE g.state END,
        finished_at = CASE WHEN g.stays AND NOT t.cancelling THEN 0 ELSE g.ended_at END,
        due_at = CASE
            WHEN NOT g.stays OR t.cancelling THEN t.due_at
            WHEN g.back AND g.due_at <= g.ended_at THEN greatest(t.due_at, g.due_at)
            ELSE g.due_at
        END,
        wakes_at = CASE
            WHEN g.stays AND NOT t.cancelling AND (NOT g.back OR g.due_at > g.ended_at) THEN g.due_at ELSE 0
        END,
        attempts = CASE WHEN g.back THEN t.attempts - 1 ELSE t.attempts END,
        started_at = CASE WHEN g.back THEN 0 ELSE t.started_at END,
        turn = CASE WHEN g.back AND NOT t.cancelling THEN {head} ELSE t.turn END,
        ended_at = g.ended_at,
        result = g.result,
        result_codec = g.codec,
        fault = CASE WHEN g.fault = '' AND g.state <> 'SUCCEEDED' THEN t.fault ELSE g.fault END,
        faulted = g.fault <> '',
        cancelling = false,
        seq = t.seq + 1,
        changed = pg_current_xact_id()
    FROM given g
    WHERE t.id = g.id::uuid AND t.token = g.token AND t.state = 'RUNNING'
    RETURNING t.id, t.function, 'RUNNING' AS was, t.state, t.seq, t.cancelling, t.callback, t.finished_at, t.token
),
{moved}
SELECT m.id::text, m.function, m.state, m.seq, m.cancelling, m.token, EXISTS (SELECT FROM waits w WHERE w.awaited = m.id)
FROM moved m
