-- Waits for claims of this runner that are under way.
DELETE FROM runners r WHERE r.id = $1
