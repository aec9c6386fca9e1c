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
