-- What every change of `moved (id, function, was, state, seq, cancelling, callback, finished_at)` has in its train.
counted AS (
    INSERT INTO tallies (function, state, n)
    SELECT d.function, d.state, sum(d.n)
    FROM (
        SELECT m.function, m.was AS state, -1 AS n FROM moved m
        UNION ALL
        SELECT m.function, m.state, 1 FROM moved m
    ) d
    GROUP BY d.function, d.state
    HAVING sum(d.n) <> 0
),
owed AS (
    INSERT INTO deliveries (task, target)
    SELECT m.id, m.callback FROM moved m WHERE m.finished_at > 0 AND m.callback <> ''
)
