SELECT t.token, {whole} FROM tasks t
WHERE t.state = 'RUNNING' AND t.runner = $1 AND t.token = ANY($2::bigint[])
