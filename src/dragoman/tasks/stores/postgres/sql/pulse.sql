WITH beat AS (
    UPDATE runners r SET count = r.count + 1 WHERE r.id = $1 RETURNING r.id
)
SELECT
    EXISTS (SELECT FROM beat),
    ARRAY(SELECT t.id::text FROM tasks t WHERE t.state = 'RUNNING' AND t.runner = $1 AND t.cancelling)
