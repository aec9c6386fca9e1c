SELECT t.id::text, t.key_digest, t.fingerprint, t.state FROM tasks t WHERE t.id = ANY($1::text[]::uuid[])
UNION ALL
SELECT t.id::text, t.key_digest, t.fingerprint, t.state
FROM tasks t WHERE t.key_digest IS NOT NULL AND t.key_digest = ANY($2::bytea[])
