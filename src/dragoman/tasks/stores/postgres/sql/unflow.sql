-- Forget callers whose turns have all passed; the last of a class says where all begin anew.
DELETE FROM flows f
USING (
    SELECT
        x.function,
        x.priority,
        max(x.finish) AS last,
        (
            SELECT t.turn FROM tasks t
            WHERE t.function = x.function AND t.priority = x.priority AND t.state = 'PENDING' AND t.wakes_at = 0
            ORDER BY t.turn LIMIT 1
        ) AS head
    FROM flows x GROUP BY x.function, x.priority
) c
WHERE
    f.function = c.function AND f.priority = c.priority
    AND f.finish < c.last AND f.finish <= coalesce(c.head, c.last)
