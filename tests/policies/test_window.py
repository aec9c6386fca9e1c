from hypothesis import given
from hypothesis import strategies as st

from dragoman.policies.window import BUCKETS, Window


def test_what_is_older_than_the_window_is_forgotten() -> None:
    window = Window(10.0)
    window.add(100.0, failed=True)
    window.add(104.0, slow=True)
    window.add(109.9)
    assert (window.calls, window.failed, window.slow) == (3, 1, 1)
    window.roll(110.0)
    assert (window.calls, window.failed, window.slow) == (2, 0, 1)
    window.roll(500.0)
    assert (window.calls, window.failed, window.slow) == (0, 0, 0)


def test_calls_of_a_hot_path_are_counted_where_they_belong() -> None:
    window = Window(10.0)
    window.add(100.0)
    for _ in range(7):
        window.fresh += 1
    assert window.ends_at == 101.0
    window.add(105.0)
    assert window.calls == 9
    window.roll(110.0)
    assert window.calls == 1
    window.clear()
    assert (window.calls, window.failed, window.slow) == (0, 0, 0)
    window.roll(111.0)
    assert window.calls == 0


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.booleans()), max_size=60))
def test_it_counts_as_a_list_of_all_calls_does(calls: list[tuple[int, bool, bool]]) -> None:
    window, past, now = Window(10.0), list[tuple[int, bool, bool]](), 1000
    for pause, failed, slow in calls:
        now += pause
        window.add(now / 4, failed=failed, slow=slow)
        past.append((now, failed, slow))
        recent = [each for each in past if each[0] // 4 > now // 4 - BUCKETS]
        assert window.calls == len(recent)
        assert window.failed == sum(each[1] for each in recent)
        assert window.slow == sum(each[2] for each in recent)
