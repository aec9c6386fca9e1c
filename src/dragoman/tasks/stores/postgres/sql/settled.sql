-- What was recorded after all, where the answer was lost.
SELECT g.id, g.token
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS g (id, token, ended_at)
JOIN tasks t ON t.id = g.id::uuid AND t.token = g.token AND t.ended_at = g.ended_at AND t.state <> 'RUNNING'
