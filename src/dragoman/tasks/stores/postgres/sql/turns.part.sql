-- Start-time fair queueing (Goyal et al., 1996): `many` tasks each of `flowing (place, function, priority, flow, many)`
-- come to wait; `starts (turns)` has the first turn of each, by its place, which counts from 1.
-- Virtual time is the turn at the head of the queue; where nothing waits, all callers begin anew, side by side.
heads AS MATERIALIZED (
    SELECT
        c.function,
        c.priority,
        coalesce(
            (
                SELECT t.turn FROM tasks t
                WHERE t.function = c.function AND t.priority = c.priority AND t.state = 'PENDING' AND t.wakes_at = 0
                ORDER BY t.turn LIMIT 1
            ),
            (
                SELECT f.finish FROM flows f
                WHERE f.function = c.function AND f.priority = c.priority
                ORDER BY f.finish DESC LIMIT 1
            ),
            0
        ) AS turn
    FROM (SELECT DISTINCT f.function, f.priority FROM flowing f) c
),
charged AS (
    INSERT INTO flows AS f (function, priority, flow, place, asked, finish)
    SELECT a.function, a.priority, a.flow, a.place, a.many, h.turn + a.many
    FROM flowing a JOIN heads h ON h.function = a.function AND h.priority = a.priority
    ORDER BY a.function, a.priority, a.flow
    ON CONFLICT (function, priority, flow) DO UPDATE
    SET
        place = excluded.place,
        asked = excluded.asked,
        finish = greatest(f.finish, excluded.finish - excluded.asked) + excluded.asked
    RETURNING f.place, f.finish - f.asked AS start
),
starts AS MATERIALIZED (
    SELECT array_agg(c.start ORDER BY c.place) AS turns FROM charged c
)
