INSERT INTO schedules AS s (name, slot) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET slot = excluded.slot WHERE s.slot < excluded.slot
RETURNING true
