WITH given AS MATERIALIZED (
    SELECT * FROM unnest(
        $1::text[], $2::bigint[], $3::bigint[], $4::double precision[], $5::text[], $6::integer[]
    ) AS g (id, token, at, progress, message, lines)
),
moved AS (
    UPDATE tasks t
    SET
        progress = coalesce(g.progress, t.progress),
        message = coalesce(g.message, t.message),
        seq = t.seq + g.lines + 1,
        changed = pg_current_xact_id()
    FROM given g
    WHERE t.id = g.id::uuid AND t.token = g.token AND t.state = 'RUNNING'
    RETURNING t.id, t.function, t.state, t.seq, t.cancelling, t.seq - g.lines - 1 AS before, g.at, t.token
),
noted AS (
    INSERT INTO notes (task, seq, at, level, message)
    SELECT m.id, m.before + l.number, m.at, l.level, l.message
    FROM unnest($7::text[], $8::bigint[], $9::integer[], $10::text[], $11::text[]) AS l (
        id, token, number, level, message
    )
    JOIN moved m ON m.id = l.id::uuid AND m.token = l.token
)
SELECT m.id::text, m.function, m.state, m.seq, m.cancelling, m.before FROM moved m
