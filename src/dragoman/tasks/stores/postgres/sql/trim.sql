DELETE FROM notes n
USING unnest($1::text[]) AS g (id)
WHERE
    n.task = g.id::uuid
    AND n.seq <= (SELECT x.seq FROM notes x WHERE x.task = g.id::uuid ORDER BY x.seq DESC OFFSET $2 LIMIT 1)
