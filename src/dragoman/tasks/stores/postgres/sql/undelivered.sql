SELECT d.id::text, d.target, d.number, d.token, d.fault, d.ended::text, {short}
FROM (SELECT * FROM deliveries x WHERE x.state = 'DEAD' ORDER BY x.changed DESC, x.id DESC LIMIT $1) d
JOIN tasks t ON t.id = d.task
ORDER BY d.changed DESC, d.id DESC
