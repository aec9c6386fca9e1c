WITH sums AS (
    SELECT t.function, t.state, sum(t.n)::bigint AS n FROM tallies t GROUP BY t.function, t.state HAVING sum(t.n) <> 0
)
SELECT
    s.function,
    s.state,
    s.n,
    CASE
        WHEN s.state = 'PENDING' THEN (
            SELECT t.due_at FROM tasks t
            WHERE t.function = s.function AND t.state = 'PENDING' AND t.wakes_at = 0
            ORDER BY t.due_at LIMIT 1
        )
    END AS oldest
FROM sums s
