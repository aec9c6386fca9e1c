from dragoman.queues.window import HORIZON_S, Window


def test_of_a_function_that_is_slow_one_message_waits() -> None:
    window = Window(256, 0.0)
    for second in range(1, 60):
        window.done(2)
        assert window.ahead(float(second)) == 1


def test_of_a_quick_one_as_many_as_end_within_the_horizon() -> None:
    window = Window(256, 0.0)
    now, ahead = 0.0, 0
    for _ in range(20):
        now += 0.01
        window.done(50)
        ahead = window.ahead(now)
    assert ahead in (int(5000 * HORIZON_S), int(5000 * HORIZON_S) + 1)


def test_never_more_than_is_allowed() -> None:
    window = Window(10, 0.0)
    window.done(1_000_000)
    assert window.ahead(1.0) == 10


def test_a_function_that_becomes_slow_is_known_soon() -> None:
    window = Window(256, 0.0)
    window.done(10_000)
    assert window.ahead(1.0) == 101
    last = 0
    for tick in range(1, 11):
        last = window.ahead(1.0 + tick * 0.01)
    assert last == 1
