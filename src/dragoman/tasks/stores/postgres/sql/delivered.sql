WITH given AS MATERIALIZED (
    SELECT * FROM unnest(
        $1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::boolean[]
    ) AS g (id, token, state, due_at, fault, tried)
),
done AS (
    DELETE FROM deliveries d USING given g
    WHERE d.id = g.id::uuid AND d.token = g.token AND d.state = 'TAKEN' AND g.state = 'DONE'
)
UPDATE deliveries d
SET
    state = g.state, due_at = g.due_at, fault = g.fault, runner = '', changed = pg_current_xact_id(),
    number = CASE WHEN g.tried THEN d.number ELSE d.number - 1 END
FROM given g
WHERE d.id = g.id::uuid AND d.token = g.token AND d.state = 'TAKEN' AND g.state <> 'DONE'
