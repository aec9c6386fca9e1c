UPDATE deliveries d
SET state = 'DUE', due_at = $2, number = 0, fault = ''
WHERE d.id = $1::text::uuid AND d.state = 'DEAD'
RETURNING true
