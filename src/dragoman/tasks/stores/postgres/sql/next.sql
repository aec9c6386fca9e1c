SELECT least(
    (SELECT t.wakes_at FROM tasks t WHERE t.wakes_at > 0 ORDER BY t.wakes_at LIMIT 1),
    (
        SELECT t.deadline FROM tasks t
        WHERE t.deadline > 0 AND t.state IN ('SCHEDULED', 'PENDING', 'RETRYING')
        ORDER BY t.deadline LIMIT 1
    )
)
