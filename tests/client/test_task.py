import time
from typing import Any

import pytest

import dragoman
from dragoman.client.desk import NOT_YET, TaskEvent
from dragoman.client.persistence import POLL_S
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Started
from tests.client.desks import ID, ScriptedDesk, document

AWAY = dragoman.Unavailable("the connection broke", started=Started.UNKNOWN)
DONE = document("SUCCEEDED", attempts=1, seq=5)
PROBLEM = {"code": "FAILED_PRECONDITION", "detail": "no paper", "started": "yes"}


def task(desk: ScriptedDesk, **fields: Any) -> dragoman.Task:
    return dragoman.Task(desk, document(**fields), SystemClock())


def test_a_handle_tells_what_was_last_seen() -> None:
    desk = ScriptedDesk(show=[document("RUNNING", progress=0.4, message="half", attempts=1)])
    held = task(desk)
    assert (held.id, held.function, held.state, held.progress, held.over) == (ID, "s.f", "PENDING", 0.0, False)
    assert held.status()["attempts"] == 1
    assert (held.state, held.progress, held.message) == ("RUNNING", 0.4, "half")
    assert repr(held) == f"<task {ID} of s.f: RUNNING>"


def test_a_result_is_waited_for_over_breaks_and_restarts() -> None:
    desk = ScriptedDesk(wait=[AWAY, AWAY, document("RUNNING"), AWAY, DONE], result=[AWAY, 42])
    held = task(desk)
    assert held.result() == 42
    assert held.over
    assert [each for each in desk.asked if each[0] == "result"] == [("result", ID, "s.f")] * 2
    assert desk.asked[0] == ("wait", ID, POLL_S)


def test_a_task_that_somebody_replays_is_waited_for_again() -> None:
    desk = ScriptedDesk(wait=[DONE], result=[NOT_YET, {"n": 1}])
    assert task(desk).result(timeout=10) == {"n": 1}


def test_of_a_task_that_is_known_to_have_a_result_that_alone_is_asked_for() -> None:
    desk = ScriptedDesk(result=[7])
    assert dragoman.Task(desk, DONE, SystemClock()).result() == 7
    assert [each[0] for each in desk.asked] == ["result"]


@pytest.mark.parametrize(
    ("state", "fault", "raised"),
    [
        ("FAILED", PROBLEM, dragoman.FailedPrecondition),
        ("DEAD", {**PROBLEM, "code": "UNAVAILABLE"}, dragoman.Unavailable),
        ("CANCELLED", None, dragoman.Cancelled),
        ("TIMED_OUT", None, dragoman.DeadlineExceeded),
    ],
)
def test_the_fault_of_a_task_is_raised(state: str, fault: Any, raised: type[dragoman.Fault]) -> None:
    desk = ScriptedDesk(wait=[document(state, fault=fault)])
    with pytest.raises(raised) as error:
        task(desk).result()
    assert error.value.remote
    assert len(desk.asked) == 1, "a fault of the task's own is not taken for one of the way there"


def test_who_has_no_more_time_is_told_how_the_task_stands() -> None:
    desk = ScriptedDesk(wait=[document("RUNNING", attempts=1)])
    held = task(desk)
    begun = time.monotonic()
    with pytest.raises(dragoman.DeadlineExceeded, match="is RUNNING after 300ms; it goes on"):
        held.result(timeout=0.3)
    assert 0.25 < time.monotonic() - begun < 5
    assert not held.over
    assert len(desk.asked) <= 4, "a host that answers at once is not asked as fast as it can answer"
    assert held.wait(timeout=0)["state"] == "RUNNING"


def test_what_is_wrong_is_raised_at_once() -> None:
    desk = ScriptedDesk(wait=[dragoman.NotFound("there is no task")], show=[AWAY])
    with pytest.raises(dragoman.NotFound):
        task(desk).wait()
    with pytest.raises(dragoman.Unavailable):
        task(desk).status()


def test_events_go_on_where_they_broke_off() -> None:
    running, done = document("RUNNING", seq=2), document("SUCCEEDED", seq=9)
    line = {"seq": 3, "level": "info", "message": "one"}
    first = [
        TaskEvent(0, "state", running),
        TaskEvent(3, "log", line),
        TaskEvent(3, "progress", {"progress": 0.5, "message": "half"}),
        AWAY,
    ]
    second = [TaskEvent(3, "state", running), TaskEvent(8, "log", {**line, "seq": 8}), TaskEvent(9, "state", done)]
    broken = [TaskEvent(3, "state", running)]
    desk = ScriptedDesk(events=[first, [AWAY], broken, second], show=[AWAY, running])
    held = task(desk)
    seen: list[tuple[int, str]] = []
    for event in held.events():
        seen.append((event.seq, event.kind))
        if event.kind == "progress":
            assert (held.progress, held.state) == (0.5, "RUNNING")
    assert seen == [(0, "state"), (3, "log"), (3, "progress"), (8, "log"), (9, "state")]
    assert [each for each in desk.asked if each[0] == "events"] == [("events", ID, 0), *[("events", ID, 3)] * 3]
    assert held.over


def test_of_a_task_that_ended_while_nobody_told_the_rest_is_told() -> None:
    running, done = document("RUNNING", seq=2), document("SUCCEEDED", seq=9)
    line = TaskEvent(8, "log", {"seq": 8, "level": "info", "message": "last words"})
    desk = ScriptedDesk(
        events=[[TaskEvent(0, "state", running)], [], [line], [TaskEvent(9, "state", done)]], show=[done]
    )
    held = task(desk)
    assert held.status() == done
    assert [(each.seq, each.kind) for each in held.events()] == [(0, "state"), (8, "log"), (9, "state")]


def test_of_a_task_whose_end_is_known_nothing_more_is_told() -> None:
    held = task(ScriptedDesk(events=[[]], show=[DONE]))
    assert list(held.events(after=5)) == []
    assert held.over


def test_a_task_is_cancelled_and_run_again() -> None:
    desk = ScriptedDesk(cancel=[document("CANCELLED")], retry=[document("PENDING")], logs=[[{"seq": 1}]])
    held = task(desk)
    assert held.cancel()["state"] == held.state == "CANCELLED"
    assert held.retry()["state"] == held.state == "PENDING"
    assert held.logs(after=3) == [{"seq": 1}]
    assert desk.asked[-1] == ("logs", ID, 3)
