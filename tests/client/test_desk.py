from dragoman.client.desk import TaskEvent, Trail


def test_what_comes_twice_after_a_break_is_seen_once() -> None:
    trail = Trail(0)
    seen = [TaskEvent(0, "state", {"seq": 3}), TaskEvent(1, "log", {"seq": 1}), TaskEvent(2, "log", {"seq": 2})]
    assert all(trail.is_new(each) for each in seen)
    assert trail.after == 2
    assert not any(trail.is_new(each) for each in seen)
    assert trail.is_new(TaskEvent(2, "progress", {"progress": 0.5})), "hosts tell each but once"
    assert trail.is_new(TaskEvent(2, "state", {"seq": 6}))
    assert trail.is_new(TaskEvent(4, "log", {"seq": 4})), "a line that was logged before the change that is known"


def test_lines_that_are_known_are_not_told() -> None:
    trail = Trail(7)
    assert not trail.is_new(TaskEvent(7, "log", {"seq": 7}))
    assert trail.is_new(TaskEvent(7, "state", {"seq": 7}))
