WITH known AS MATERIALIZED (
    -- Held until the end: whoever reaps this runner waits for it, and then sees what was claimed.
    SELECT r.id FROM runners r WHERE r.id = $1 FOR KEY SHARE
),
wanted AS MATERIALIZED (
    SELECT
        w.function,
        CASE
            WHEN w.cap = 0 THEN w.many
            ELSE greatest(0, least(
                w.many,
                w.cap - (SELECT count(*) FROM tasks t WHERE t.function = w.function AND t.state = 'RUNNING')
            ))
        END AS many
    FROM known, unnest($2::text[], $3::bigint[], $4::bigint[]) AS w (function, many, cap)
),
picked AS MATERIALIZED (
    SELECT p.*
    FROM wanted w
    CROSS JOIN LATERAL (
        SELECT
            t.id, t.attempts, t.runner, t.started_at, t.ended_at,
            CASE WHEN t.faulted THEN t.fault ELSE '' END AS fault
        FROM tasks t
        WHERE
            t.function = w.function AND t.state = 'PENDING' AND t.wakes_at = 0
            AND (t.deadline = 0 OR t.deadline > $5)
        ORDER BY t.priority, t.turn, t.id
        LIMIT w.many
        FOR UPDATE SKIP LOCKED
    ) p
),
archived AS (
    INSERT INTO attempts (task, number, runner, started_at, ended_at, fault)
    SELECT p.id, p.attempts, p.runner, p.started_at, p.ended_at, p.fault FROM picked p WHERE p.started_at > 0
    ON CONFLICT DO NOTHING
),
taken AS (
    UPDATE tasks t
    SET
        state = 'RUNNING', attempts = t.attempts + 1, runner = $1, started_at = $5, ended_at = 0, faulted = false,
        progress = 0, message = '',
        seq = t.seq + 1, token = $6, changed = pg_current_xact_id()
    FROM picked p
    WHERE t.id = p.id
    RETURNING t.*
),
counted AS (
    INSERT INTO tallies (function, state, n)
    SELECT c.function, s.state, s.sign * c.n
    FROM (SELECT t.function, count(*) AS n FROM taken t GROUP BY t.function) c
    CROSS JOIN (VALUES ('PENDING', -1), ('RUNNING', 1)) AS s (state, sign)
)
SELECT t.token, {whole} FROM taken t ORDER BY t.priority, t.turn, t.id
