import pytest

from dragoman.core.fault import (
    Aborted,
    Cancelled,
    Code,
    DeadlineExceeded,
    Draining,
    Fault,
    NotFound,
    Overloaded,
    Started,
    Unavailable,
    Unknown,
    WorkerLost,
)
from dragoman.tasks.ending import Ending, ending
from dragoman.tasks.options import TaskOptions
from dragoman.tasks.state import TRANSITIONS, State, Step
from dragoman.tasks.task import US, Submission, Task

NOW = 1_767_225_600 * US
OPTIONS = TaskOptions(base_s=1.0, max_s=10.0)
NO, YES = Started.NO, Started.YES


def judged(
    fault: Fault, *, attempts: int = 1, deadline: int = 0, drawn: float = 0.5, options: TaskOptions = OPTIONS
) -> Ending:
    submission = Submission("id", "f", "", b"", attempts_max=3, deadline=deadline)
    return ending(Task(submission, State.RUNNING, attempts=attempts), fault, options, NOW, lambda: drawn)


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        (Unknown("raised"), Step.FAIL),
        (NotFound("no row", started=YES), Step.FAIL),
        (Cancelled("the function said so", started=YES), Step.FAIL),
        (Aborted("conflict"), Step.RETRY),
        (Unavailable("away", started=YES), Step.RETRY),
        (WorkerLost("died", started=YES), Step.RETRY),
        (DeadlineExceeded("slow", started=YES), Step.TIME_OUT),
        (Overloaded("full"), Step.RELEASE),
        (Draining("stopping"), Step.RELEASE),
        (Unavailable("the breaker is open", started=NO), Step.RELEASE),
        (DeadlineExceeded("never had a worker", started=NO), Step.RELEASE),
        # It may be this input that they died of.
        (WorkerLost("four workers died before they began", started=NO), Step.RETRY),
    ],
)
def test_the_fault_of_an_attempt_decides(fault: Fault, step: Step) -> None:
    assert judged(fault).step is step
    assert step in TRANSITIONS[State.RUNNING]


def test_the_last_attempt_leaves_it_dead() -> None:
    assert judged(Aborted("x"), attempts=2).step is Step.RETRY
    assert judged(Aborted("x"), attempts=3) == Ending(Step.EXHAUST)
    assert judged(Overloaded("full"), attempts=3).step is Step.RELEASE


def test_pauses_grow_and_what_a_fault_asks_for_is_heeded() -> None:
    assert judged(Aborted("x")).due_at == NOW + US // 2
    assert judged(Aborted("x"), attempts=2).due_at == NOW + US
    assert judged(Aborted("x", retry_after_s=7.0)).due_at == NOW + 7 * US + US // 2


def test_another_attempt_that_would_come_too_late_is_none() -> None:
    assert judged(Aborted("x"), deadline=NOW + US // 2) == Ending(Step.TIME_OUT)
    assert judged(Aborted("x"), deadline=NOW + US).step is Step.RETRY


def test_past_its_deadline_a_task_times_out_unless_its_own_fault_says_more() -> None:
    assert judged(DeadlineExceeded("late", started=YES), deadline=NOW - 1).step is Step.TIME_OUT
    assert judged(Overloaded("full"), deadline=NOW - 1).step is Step.TIME_OUT
    assert judged(Unknown("raised"), deadline=NOW - 1).step is Step.FAIL


def test_a_function_says_which_codes_are_tried_again() -> None:
    options = TaskOptions(on=frozenset({Code.UNKNOWN, Code.DEADLINE_EXCEEDED}))
    assert judged(Unknown("raised"), options=options).step is Step.RETRY
    assert judged(DeadlineExceeded("slow", started=YES), options=options).step is Step.RETRY
    assert judged(Aborted("x"), options=options).step is Step.FAIL


def test_nobody_is_set_aside_for_longer_than_a_minute_or_so() -> None:
    assert judged(Overloaded("full", retry_after_s=1e9)).due_at < NOW + 62 * US
