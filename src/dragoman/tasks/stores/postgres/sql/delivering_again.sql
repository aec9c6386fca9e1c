SELECT d.token, d.id::text, d.target, d.number, d.token, d.fault, d.ended::text, {short}
FROM deliveries d JOIN tasks t ON t.id = d.task
WHERE d.state = 'TAKEN' AND d.runner = $1 AND d.token = ANY($2::bigint[])
