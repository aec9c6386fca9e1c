-- What others wait for and has ended all the same: its host died before it could say so.
SELECT DISTINCT w.awaited::text
FROM waits w LEFT JOIN tasks t ON t.id = w.awaited
WHERE t.id IS NULL OR t.finished_at > 0
LIMIT 1000
