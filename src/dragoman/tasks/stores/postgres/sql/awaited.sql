-- Those that have not ended, held as they are until the end: what ends after that finds who waits for it.
SELECT t.id::text, t.finished_at FROM tasks t WHERE t.id = ANY($1::text[]::uuid[]) ORDER BY t.id FOR SHARE
