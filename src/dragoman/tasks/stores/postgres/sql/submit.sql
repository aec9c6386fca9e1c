WITH flowing AS MATERIALIZED (
    SELECT * FROM unnest($21::integer[], $22::text[], $23::smallint[], $24::text[], $25::integer[]) AS f (
        place, function, priority, flow, many
    )
),
{turns},
stored AS (
    INSERT INTO tasks (
        id, function, version, body, codec, reply_codec, caller, priority,
        key, fingerprint, submitted_at, not_before, deadline, attempt_s, attempts_max,
        trace, parent, schedule, callback, key_digest, turn, state, due_at, wakes_at
    )
    SELECT
        g.id::uuid, g.function, g.version, g.body, g.codec, g.reply_codec, g.caller, g.priority,
        g.key, g.fingerprint, g.submitted_at, g.not_before, g.deadline, g.attempt_s, g.attempts_max,
        g.trace, g.parent, g.schedule, g.callback, g.key_digest,
        s.turns[g.place] + g.rank,
        CASE WHEN g.place = 0 THEN 'SCHEDULED' ELSE 'PENDING' END,
        greatest(g.not_before, g.submitted_at),
        CASE WHEN g.place = 0 THEN g.not_before ELSE 0 END
    FROM
        starts s,
        -- Two hosts that store the same keys at once wait for one another in the same order, which is that of the rows.
        unnest(
            $1::text[], $2::text[], $3::text[], $4::bytea[], $5::smallint[], $6::smallint[], $7::text[],
            $8::smallint[], $9::text[], $10::bytea[], $11::bigint[], $12::bigint[], $13::bigint[],
            $14::double precision[], $15::integer[], $16::text[], $17::text[], $18::text[], $19::bytea[],
            $20::bytea[], $26::integer[], $27::integer[]
        ) AS g (
            id, function, version, body, codec, reply_codec, caller,
            priority, key, fingerprint, submitted_at, not_before, deadline,
            attempt_s, attempts_max, trace, parent, schedule, callback,
            key_digest, place, rank
        )
    ON CONFLICT DO NOTHING
    RETURNING id, function, state
),
counted AS (
    INSERT INTO tallies (function, state, n)
    SELECT s.function, s.state, count(*) FROM stored s GROUP BY s.function, s.state
)
SELECT s.id::text FROM stored s
