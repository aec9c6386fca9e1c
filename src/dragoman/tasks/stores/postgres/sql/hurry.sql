WITH delivered AS (
    UPDATE deliveries d SET due_at = $1 WHERE d.state = 'DUE' AND d.due_at > $1
)
UPDATE tasks t
SET wakes_at = $1, due_at = $1, seq = t.seq + 1, changed = pg_current_xact_id()
WHERE t.wakes_at > $1 AND t.state IN ('PENDING', 'RETRYING')
