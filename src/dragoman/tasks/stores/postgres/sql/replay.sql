WITH held AS MATERIALIZED (
    SELECT t.id, t.state AS was, t.function, t.priority, t.caller
    FROM tasks t WHERE t.id = $1::text::uuid FOR UPDATE
),
flowing AS MATERIALIZED (
    -- A turn as any other: who has a thousand run anew is not before those who wait.
    SELECT 1 AS place, h.function, h.priority, left(h.caller, 200) AS flow, 1 AS many
    FROM held h
    WHERE h.was IN ('FAILED', 'TIMED_OUT', 'CANCELLED', 'DEAD')
),
{turns},
kept AS (
    -- Who is still to be told of the end is told of it as it was.
    UPDATE deliveries d
    SET ended = jsonb_build_object(
        'state', t.state, 'attempts', t.attempts, 'attempts_max', t.attempts_max, 'deadline', t.deadline,
        'due_at', t.due_at, 'started_at', t.started_at, 'finished_at', t.finished_at, 'progress', t.progress,
        'message', t.message, 'fault', encode(t.fault, 'base64'), 'seq', t.seq
    )
    FROM held h JOIN tasks t ON t.id = h.id
    WHERE d.task = h.id AND d.ended IS NULL AND h.was IN ('FAILED', 'TIMED_OUT', 'CANCELLED', 'DEAD')
),
moved AS (
    UPDATE tasks t
    SET
        state = 'PENDING',
        attempts_max = t.attempts + $3,
        deadline = $4,
        due_at = $2,
        finished_at = 0,
        progress = 0,
        message = '',
        turn = (SELECT s.turns[1] FROM starts s),
        seq = t.seq + 1,
        changed = pg_current_xact_id()
    FROM held h
    WHERE t.id = h.id AND h.was IN ('FAILED', 'TIMED_OUT', 'CANCELLED', 'DEAD')
    RETURNING t.id, t.function, h.was, t.state, t.seq, t.cancelling, t.callback, t.finished_at
),
{moved}
SELECT h.id::text, m.function, coalesce(m.state, h.was) AS state, m.seq, m.cancelling
FROM held h LEFT JOIN moved m ON m.id = h.id
