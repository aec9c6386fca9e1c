SELECT t.id::text, t.function, t.state, t.seq, t.cancelling FROM tasks t WHERE t.changed = ANY($1::text[]::xid8[])
