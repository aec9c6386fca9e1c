import json

import pytest

from dragoman.core.call import Priority, Trace
from dragoman.core.fault import Code, DeadlineExceeded, Fault, Unknown
from dragoman.tasks import document
from dragoman.tasks.state import State
from dragoman.tasks.task import US, Attempt, Census, Submission, Task

AT = 1_767_225_600 * US
SUBMISSION = Submission("id", "shop.buy", "1.2", b"{}", caller="me", priority=Priority.BATCH, submitted_at=AT)


def test_a_task_is_a_document_with_moments_as_text_and_null_for_what_is_not() -> None:
    told = document.shown(Task(SUBMISSION, State.PENDING, attempts=1, due_at=AT, seq=3))
    assert json.loads(json.dumps(told)) == told
    assert told["submitted_at"] == told["due_at"] == "2026-01-01T00:00:00.000Z"
    assert (told["priority"], told["state"], told["seq"]) == ("batch", "PENDING", 3)
    nothing = ("started_at", "finished_at", "deadline", "parent", "schedule", "fault")
    assert [told[name] for name in nothing] == [None] * len(nothing)


def test_a_fault_is_kept_as_a_problem_document_and_comes_back_as_it_was() -> None:
    faults = document.Faults("store", lambda code: 500 if code is Code.UNKNOWN else 400)
    task = Task(SUBMISSION, State.FAILED)
    kept = faults.dump(Unknown("ValueError: no \ud800", started=None), task, AT)
    told = json.loads(kept)
    assert (told["status"], told["code"], told["function"], told["service"]) == (500, "UNKNOWN", "shop.buy", "store")
    assert told["instance"] == "/v1/tasks/id"
    task.fault = kept
    found = document.fault_of(task)
    assert isinstance(found, Unknown)
    assert found.detail.startswith("ValueError: no ")


@pytest.mark.parametrize(
    ("state", "attempts", "code", "started"),
    [
        (State.CANCELLED, 0, Code.CANCELLED, "no"),
        (State.CANCELLED, 1, Code.CANCELLED, "unknown"),
        (State.TIMED_OUT, 0, Code.DEADLINE_EXCEEDED, "no"),
    ],
)
def test_a_task_that_ended_without_an_attempt_s_fault_has_one_all_the_same(
    state: State, attempts: int, code: Code, started: str
) -> None:
    found = document.fault_of(Task(SUBMISSION, state, attempts=attempts))
    assert (found.code, found.started, found.function) == (code, started, "shop.buy")


def test_a_cancelled_task_says_so_whatever_its_last_attempt_died_of() -> None:
    task = Task(SUBMISSION, State.CANCELLED)
    task.fault = document.Faults("", lambda _: 504).dump(DeadlineExceeded("late"), task, AT)
    assert document.fault_of(task).code is Code.CANCELLED


def test_attempts_and_counts_are_plain_too() -> None:
    assert document.attempt(Attempt(1, "r", AT))["ended_at"] is None
    census = Census({("a", State.PENDING): 2, ("a", State.DEAD): 1}, {"a": AT})
    assert document.counted(census) == {
        "a": {"states": {"DEAD": 1, "PENDING": 2}, "oldest": "2026-01-01T00:00:00.000Z"}
    }


def test_a_trace_is_written_as_a_traceparent() -> None:
    text = document.traceparent(Trace(b"\1" * 16, b"\2" * 8))
    assert text == f"00-{'01' * 16}-{'02' * 8}-01"
    assert document.trace_id(text) == "01" * 16
    assert document.traceparent(None) == document.trace_id("") == ""


def test_every_fault_that_a_task_can_end_with_is_a_fault() -> None:
    for state in (State.FAILED, State.DEAD, State.TIMED_OUT, State.CANCELLED):
        assert isinstance(document.fault_of(Task(SUBMISSION, state)), Fault)
