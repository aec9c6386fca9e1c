WITH moved AS (
    UPDATE tasks t
    SET
        state = CASE
            WHEN t.cancelling THEN 'CANCELLED' WHEN cardinality($4::text[]) = 0 THEN 'PENDING' ELSE 'SCHEDULED'
        END,
        finished_at = CASE WHEN t.cancelling THEN $3::bigint ELSE 0 END,
        waits_for = CASE WHEN t.cancelling THEN 0 ELSE cardinality($4::text[]) END,
        attempts = t.attempts - 1,
        started_at = 0,
        ended_at = $3,
        faulted = false,
        turn = {head},
        cancelling = false,
        seq = t.seq + 1,
        changed = pg_current_xact_id()
    WHERE t.id = $1::text::uuid AND t.token = $2 AND t.state = 'RUNNING'
    RETURNING t.id, t.function, 'RUNNING' AS was, t.state, t.seq, t.cancelling, t.callback, t.finished_at
),
waiting AS (
    INSERT INTO waits (task, awaited, token)
    SELECT m.id, a.id::uuid, $2 FROM moved m, unnest($4::text[]) AS a (id) WHERE m.state = 'SCHEDULED'
    ON CONFLICT (task, awaited) DO UPDATE SET token = excluded.token
),
{moved}
SELECT m.id::text, m.function, m.state, m.seq, m.cancelling FROM moved m
