-- Not past the newer snapshot: a database that was restored elsewhere may have numbers of transactions to come.
SELECT t.id::text, t.function, t.state, t.seq, t.cancelling, t.changed::text
FROM tasks t
WHERE (t.changed, t.id) > ($1::text::xid8, $2::text::uuid) AND t.changed < $3::text::xid8
ORDER BY t.changed, t.id
LIMIT $4
