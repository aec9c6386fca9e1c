SELECT s.slot FROM schedules s WHERE s.name = $1
