import pytest

from dragoman.testing import ManualClock


def test_time_passes_only_when_it_is_advanced() -> None:
    clock = ManualClock(10.0, 100.0)
    assert (clock.monotonic(), clock.now()) == (10.0, 100.0)
    clock.advance(2.5)
    assert (clock.monotonic(), clock.now()) == (12.5, 102.5)


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="cannot go back"):
        ManualClock().advance(-1)


def test_timers_ring_in_order_when_time_passes() -> None:
    clock, rung = ManualClock(monotonic_s=0.0), list[tuple[str, float]]()
    clock.call_later(2, lambda: rung.append(("late", clock.monotonic())))

    def ring(name: str) -> None:
        rung.append((name, clock.monotonic()))

    clock.call_later(1, ring, "first")
    clock.call_later(1, lambda: clock.call_later(0, lambda: rung.append(("at once", clock.monotonic()))))
    gone = clock.call_later(1, lambda: rung.append(("never", 0)))
    gone.cancel()
    assert clock.timers == 3
    clock.advance(1.5)
    assert rung == [("first", 1.0), ("at once", 1.0)]
    clock.advance(5)
    assert rung[2:] == [("late", 2.0)]
    assert (clock.timers, clock.monotonic()) == (0, 6.5)
