from dragoman.client.ending import ENDS, fault_of, is_over, still_running
from dragoman.core.fault import Cancelled, DeadlineExceeded, Started, Unknown
from dragoman.tasks.state import State
from tests.client.desks import document

PROBLEM = {"code": "UNKNOWN", "detail": "ValueError: no", "started": "yes", "function": "s.f"}


def test_tasks_end_as_the_states_of_hosts_say() -> None:
    assert {each.value for each in State if each.over} == ENDS
    assert all(is_over(document(each)) for each in ENDS)
    assert not is_over(document("RETRYING"))


def test_the_fault_of_a_task_is_that_of_its_last_attempt() -> None:
    for state in ("FAILED", "DEAD", "TIMED_OUT"):
        fault = fault_of(document(state, fault=PROBLEM, attempts=3))
        assert isinstance(fault, Unknown)
        assert (fault.detail, fault.started, fault.remote) == ("ValueError: no", Started.YES, True)


def test_a_task_that_no_attempt_has_failed_says_why_it_ended() -> None:
    fault = fault_of(document("TIMED_OUT"))
    assert isinstance(fault, DeadlineExceeded)
    assert fault.started is Started.NO
    fault = fault_of(document("CANCELLED", fault=PROBLEM, attempts=1))
    assert isinstance(fault, Cancelled)
    assert (fault.started, fault.function) == (Started.UNKNOWN, "s.f")


def test_who_did_not_wait_long_enough_is_told_that_the_task_goes_on() -> None:
    fault = still_running(document("RUNNING", attempts=1), "5s")
    assert isinstance(fault, DeadlineExceeded)
    assert "is RUNNING after 5s; it goes on" in fault.detail
    assert not fault.remote
