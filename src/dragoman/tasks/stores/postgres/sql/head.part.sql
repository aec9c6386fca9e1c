-- Where a task that comes back stands: at the head of the queue, not before it.
greatest(
    t.turn,
    (
        SELECT h.turn FROM tasks h
        WHERE h.function = t.function AND h.priority = t.priority AND h.state = 'PENDING' AND h.wakes_at = 0
        ORDER BY h.turn LIMIT 1
    ),
    0
)
