SELECT n.seq, n.at, n.level, n.message
FROM (
    SELECT * FROM notes x WHERE x.task = $1::text::uuid AND x.seq > $2 ORDER BY x.seq DESC LIMIT $4
) n
ORDER BY n.seq
LIMIT $3
