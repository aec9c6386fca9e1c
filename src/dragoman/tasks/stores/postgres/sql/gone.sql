SELECT p.pid FROM unnest($1::integer[]) AS p (pid) WHERE NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = p.pid)
