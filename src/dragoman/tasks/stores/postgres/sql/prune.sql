-- What ended before a moment, or is more than may be kept; not what somebody is still to be told of.
WITH kept AS MATERIALIZED (
    SELECT coalesce(sum(t.n), 0)::bigint AS n FROM tallies t
    WHERE t.state IN ('SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELLED', 'DEAD')
),
old AS MATERIALIZED (
    SELECT t.id, t.function, t.state
    FROM tasks t
    WHERE
        t.finished_at > 0 AND t.finished_at < $1
        AND NOT EXISTS (SELECT FROM deliveries d WHERE d.task = t.id AND d.state <> 'DEAD')
    ORDER BY t.finished_at
    LIMIT CASE WHEN $2::bigint = 0 THEN $3::bigint ELSE greatest(0, least($3, (SELECT k.n - $2 FROM kept k))) END
    FOR UPDATE SKIP LOCKED
),
gone AS (
    DELETE FROM tasks t USING old o WHERE t.id = o.id RETURNING t.id, o.function, o.state
),
unheard AS (
    DELETE FROM deliveries d USING gone g WHERE d.task = g.id
),
untold AS (
    DELETE FROM notes n USING gone g WHERE n.task = g.id
),
untried AS (
    DELETE FROM attempts a USING gone g WHERE a.task = g.id
),
counted AS (
    INSERT INTO tallies (function, state, n)
    SELECT g.function, g.state, -count(*) FROM gone g GROUP BY g.function, g.state
)
SELECT count(*) FROM gone
