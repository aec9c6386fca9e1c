SELECT a.number, a.runner, a.started_at, a.ended_at, a.fault FROM attempts a WHERE a.task = $1::text::uuid
UNION
SELECT t.attempts, t.runner, t.started_at, t.ended_at, CASE WHEN t.faulted THEN t.fault ELSE '' END
FROM tasks t WHERE t.id = $1::text::uuid AND t.started_at > 0
ORDER BY 1
