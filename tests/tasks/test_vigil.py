from dragoman.tasks.task import Beat, Runner
from dragoman.tasks.vigil import INTERVAL_S_MAX, LOOKS, Vigil
from dragoman.testing import ManualClock


def beats(**counts: int) -> list[Beat]:
    return [Beat(Runner(id_), count) for id_, count in counts.items()]


def vigil(clock: ManualClock, gone: str = "") -> Vigil:
    return Vigil(15.0, clock.monotonic, lambda runner: runner.id == gone)


def test_who_stands_still_for_a_lease_is_dead_and_who_moves_is_not() -> None:
    clock = ManualClock()
    watch = vigil(clock)
    for look in range(LOOKS + 1):
        assert watch.look(beats(still=7, moving=look, me=0), ["me"]) == (["still"] if look == LOOKS else [])
        clock.advance(watch.interval_s)


def test_a_long_lease_is_looked_at_more_often_and_is_no_shorter() -> None:
    clock = ManualClock()
    watch = Vigil(600.0, clock.monotonic, lambda _: False)
    looks = 0
    while not watch.look(beats(still=7), []):
        clock.advance(watch.interval_s)
        looks += 1
    assert watch.interval_s == INTERVAL_S_MAX
    assert looks == 600.0 / INTERVAL_S_MAX


def test_one_movement_begins_the_lease_anew() -> None:
    clock = ManualClock()
    watch = vigil(clock)
    for count in (1, 1, 1, 2, 2, 2):
        assert watch.look(beats(a=count), []) == []
        clock.advance(watch.interval_s)
    assert watch.look(beats(a=2), []) == ["a"]


def test_a_watcher_that_slept_itself_has_seen_nobody_stand_still() -> None:
    clock = ManualClock()
    watch = vigil(clock)
    assert watch.look(beats(a=1), []) == []
    clock.advance(3600)
    assert watch.look(beats(a=1), []) == []
    clock.advance(watch.interval_s)
    assert watch.look(beats(a=2), []) == []


def test_a_process_that_is_gone_is_dead_at_once() -> None:
    assert vigil(ManualClock(), gone="b").look(beats(a=1, b=1), []) == ["b"]


def test_nobody_takes_itself_for_dead() -> None:
    assert vigil(ManualClock(), gone="me").look(beats(me=1), ["me"]) == []


def test_runners_that_left_are_not_remembered() -> None:
    clock = ManualClock()
    watch = vigil(clock)
    watch.look(beats(a=1), [])
    clock.advance(watch.interval_s * LOOKS)
    watch.look([], [])
    assert watch.look(beats(a=1), []) == []
