SELECT r.id, r.pid, r.born_at, r.boot, r.space, r.name, r.count FROM runners r ORDER BY r.id
