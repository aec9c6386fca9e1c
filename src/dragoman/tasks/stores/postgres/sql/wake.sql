WITH freed AS (
    DELETE FROM waits w WHERE w.awaited = ANY($1::text[]::uuid[]) RETURNING w.task, w.token
),
fewer AS MATERIALIZED (
    SELECT f.task, f.token, count(*)::integer AS n FROM freed f GROUP BY f.task, f.token
),
moved AS (
    UPDATE tasks t
    SET
        waits_for = greatest(t.waits_for - f.n, 0),
        state = CASE WHEN t.waits_for <= f.n THEN 'PENDING' ELSE t.state END,
        turn = CASE WHEN t.waits_for <= f.n THEN {head} ELSE t.turn END,
        seq = t.seq + 1,
        changed = pg_current_xact_id()
    FROM fewer f
    WHERE t.id = f.task AND t.token = f.token AND t.state = 'SCHEDULED' AND t.waits_for > 0
    RETURNING
        t.id, t.function, 'SCHEDULED' AS was, t.state, t.seq, t.cancelling, t.callback, t.finished_at,
        t.priority, t.caller, t.turn
),
charged AS (
    -- To run again is a turn as any other.
    UPDATE flows f
    SET finish = greatest(f.finish, c.turn) + c.many
    FROM (
        SELECT m.function, m.priority, left(m.caller, 200) AS flow, max(m.turn) AS turn, count(*) AS many
        FROM moved m
        WHERE m.state = 'PENDING'
        GROUP BY m.function, m.priority, left(m.caller, 200)
    ) c
    WHERE f.function = c.function AND f.priority = c.priority AND f.flow = c.flow
),
{moved}
SELECT m.id::text, m.function, m.state, m.seq, m.cancelling FROM moved m
