WITH held AS MATERIALIZED (
    SELECT t.id, t.state AS was, t.cancelling FROM tasks t WHERE t.id = $1::text::uuid FOR UPDATE
),
moved AS (
    UPDATE tasks t
    SET
        state = CASE WHEN h.was = 'RUNNING' THEN h.was ELSE 'CANCELLED' END,
        cancelling = h.was = 'RUNNING',
        finished_at = CASE WHEN h.was = 'RUNNING' THEN 0 ELSE $2::bigint END,
        wakes_at = 0,
        waits_for = 0,
        seq = t.seq + 1,
        changed = pg_current_xact_id()
    FROM held h
    WHERE t.id = h.id AND h.was IN ('SCHEDULED', 'PENDING', 'RETRYING', 'RUNNING') AND NOT h.cancelling
    RETURNING t.id, t.function, h.was, t.state, t.seq, t.cancelling, t.callback, t.finished_at
),
{moved}
SELECT h.id::text, m.function, coalesce(m.state, h.was) AS state, m.seq, m.cancelling
FROM held h LEFT JOIN moved m ON m.id = h.id
