WITH known AS MATERIALIZED (
    SELECT r.id FROM runners r WHERE r.id = $1 FOR KEY SHARE
),
picked AS MATERIALIZED (
    SELECT d.id FROM deliveries d
    WHERE d.state = 'DUE' AND d.due_at <= $3
    ORDER BY d.due_at, d.position
    LIMIT (SELECT count(*) FROM known) * $2::bigint
    FOR UPDATE SKIP LOCKED
),
taken AS (
    UPDATE deliveries d
    SET state = 'TAKEN', runner = $1, number = d.number + 1, token = $4
    FROM picked p
    WHERE d.id = p.id
    RETURNING d.*
)
SELECT d.token, d.id::text, d.target, d.number, d.token, d.fault, d.ended::text, {short}
FROM taken d JOIN tasks t ON t.id = d.task
ORDER BY d.due_at, d.position
