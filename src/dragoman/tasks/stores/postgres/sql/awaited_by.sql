-- Rows of those that have ended otherwise, or wait anew, may still be there: the token tells.
WITH RECURSIVE reached (id) AS (
    SELECT unnest($1::text[]::uuid[])
    UNION
    SELECT w.awaited
    FROM reached r
    JOIN tasks t ON t.id = r.id AND t.state = 'SCHEDULED' AND t.waits_for > 0
    JOIN waits w ON w.task = t.id AND w.token = t.token
)
SELECT DISTINCT w.awaited::text
FROM reached r
JOIN tasks t ON t.id = r.id AND t.state = 'SCHEDULED' AND t.waits_for > 0
JOIN waits w ON w.task = t.id AND w.token = t.token
