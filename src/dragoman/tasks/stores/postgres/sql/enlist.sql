INSERT INTO runners (id, pid, born_at, boot, space, name) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING
