SELECT {whole} FROM tasks t WHERE t.id = ANY($1::text[]::uuid[])
