-- Add up what was counted; one host at a time.
WITH alone AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock($1, $2) AS mine
),
gone AS (
    DELETE FROM tallies t USING alone a WHERE a.mine RETURNING t.function, t.state, t.n
)
INSERT INTO tallies (function, state, n)
SELECT g.function, g.state, sum(g.n) FROM gone g GROUP BY g.function, g.state HAVING sum(g.n) <> 0
