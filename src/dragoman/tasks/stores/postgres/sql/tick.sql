-- What is past its deadline is TIMED_OUT; what is due is PENDING, with a turn where it has none yet.
WITH late AS MATERIALIZED (
    SELECT t.id, t.state AS was
    FROM tasks t
    WHERE t.deadline > 0 AND t.deadline <= $1 AND t.state IN ('SCHEDULED', 'PENDING', 'RETRYING')
    ORDER BY t.deadline
    LIMIT $2
    FOR UPDATE SKIP LOCKED
),
due AS MATERIALIZED (
    SELECT t.id, t.state AS was, t.turn, t.function, t.priority, t.caller
    FROM tasks t
    WHERE t.wakes_at > 0 AND t.wakes_at <= $1 AND (t.deadline = 0 OR t.deadline > $1)
    ORDER BY t.wakes_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
),
flowing AS MATERIALIZED (
    SELECT
        row_number() OVER (ORDER BY g.function, g.priority, g.flow)::integer AS place,
        g.*
    FROM (
        -- To run again is a turn as any other, though the task goes on where it was.
        SELECT
            d.function,
            d.priority,
            left(d.caller, 200) AS flow,
            count(*)::integer AS many,
            array_agg(d.id) FILTER (WHERE d.turn IS NULL) AS ids
        FROM due d
        WHERE d.turn IS NULL OR d.was = 'RETRYING'
        GROUP BY d.function, d.priority, left(d.caller, 200)
    ) g
),
{turns},
arriving AS MATERIALIZED (
    SELECT i.id, s.turns[f.place] + i.n - 1 AS turn
    FROM starts s, flowing f, unnest(f.ids) WITH ORDINALITY AS i (id, n)
),
expired AS (
    UPDATE tasks t
    SET
        state = 'TIMED_OUT', finished_at = $1, wakes_at = 0, waits_for = 0, seq = t.seq + 1,
        changed = pg_current_xact_id()
    FROM late l
    WHERE t.id = l.id
    RETURNING t.id, t.function, l.was, t.state, t.seq, t.cancelling, t.callback, t.finished_at
),
arrived AS (
    UPDATE tasks t
    SET state = 'PENDING', wakes_at = 0, turn = a.turn, seq = t.seq + 1, changed = pg_current_xact_id()
    FROM arriving a
    WHERE t.id = a.id
    RETURNING t.id, t.function, 'SCHEDULED' AS was, t.state, t.seq, t.cancelling, t.callback, t.finished_at
),
returned AS (
    UPDATE tasks t
    SET state = 'PENDING', wakes_at = 0, turn = {head}, seq = t.seq + 1, changed = pg_current_xact_id()
    FROM due d
    WHERE t.id = d.id AND d.turn IS NOT NULL
    RETURNING t.id, t.function, d.was, t.state, t.seq, t.cancelling, t.callback, t.finished_at
),
moved AS (
    SELECT * FROM expired UNION ALL SELECT * FROM arrived UNION ALL SELECT * FROM returned
),
{moved}
SELECT m.id::text, m.function, m.state, m.seq, m.cancelling FROM moved m
