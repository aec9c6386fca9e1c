module bench/empty

go 1.23
