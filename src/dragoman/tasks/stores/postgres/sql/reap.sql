WITH moved AS (
    UPDATE tasks t
    SET
        state = CASE
            WHEN t.cancelling THEN 'CANCELLED'
            WHEN t.deadline > 0 AND t.deadline <= $2 THEN 'TIMED_OUT'
            WHEN t.attempts < t.attempts_max THEN 'RETRYING'
            ELSE 'DEAD'
        END,
        finished_at = CASE
            WHEN NOT t.cancelling AND NOT (t.deadline > 0 AND t.deadline <= $2) AND t.attempts < t.attempts_max THEN 0
            ELSE $2::bigint
        END,
        wakes_at = CASE
            WHEN NOT t.cancelling AND NOT (t.deadline > 0 AND t.deadline <= $2) AND t.attempts < t.attempts_max
                THEN $2::bigint
            ELSE 0
        END,
        due_at = CASE
            WHEN NOT t.cancelling AND NOT (t.deadline > 0 AND t.deadline <= $2) AND t.attempts < t.attempts_max
                THEN $2::bigint
            ELSE t.due_at
        END,
        ended_at = $2,
        fault = $3,
        faulted = true,
        cancelling = false,
        token = 0,
        seq = t.seq + 1,
        changed = pg_current_xact_id()
    WHERE t.state = 'RUNNING' AND t.runner = $1
    RETURNING t.id, t.function, 'RUNNING' AS was, t.state, t.seq, t.cancelling, t.callback, t.finished_at
),
freed AS (
    UPDATE deliveries d SET state = 'DUE', due_at = $2, runner = '' WHERE d.state = 'TAKEN' AND d.runner = $1
),
{moved}
SELECT m.id::text, m.function, m.state, m.seq, m.cancelling FROM moved m
