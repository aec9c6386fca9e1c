"""How a task has ended, by its document: whether it has, and with which fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core.fault import Cancelled, DeadlineExceeded, Fault, Started
from dragoman.core.problem import from_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

SUCCEEDED = "SUCCEEDED"
CANCELLED = "CANCELLED"
TIMED_OUT = "TIMED_OUT"
ENDS = frozenset({SUCCEEDED, "FAILED", TIMED_OUT, CANCELLED, "DEAD"})


def is_over(document: Mapping[str, Any]) -> bool:
    """Whether nothing more comes of a task by itself."""
    return document.get("state") in ENDS


def fault_of(document: Mapping[str, Any]) -> Fault:
    """The fault of a task that has ended without a result: that of its last attempt, if that is why."""
    state, name = document.get("state"), str(document.get("function", ""))
    if document.get("fault") and state != CANCELLED:
        return from_problem(document["fault"])
    started = Started.UNKNOWN if document.get("attempts") else Started.NO
    if state == TIMED_OUT:
        detail = f"{name} had not ended at the deadline of its task"
        return _remote(DeadlineExceeded(detail, started=started, function=name))
    return _remote(Cancelled(f"the task of {name} was cancelled", started=started, function=name))


def still_running(document: Mapping[str, Any], waited: str) -> DeadlineExceeded:
    """The fault of whoever waited for a task, and not long enough."""
    name = str(document.get("function", ""))
    started = Started.UNKNOWN if document.get("attempts") else Started.NO
    detail = (
        f"task {document.get('id')} is {document.get('state')} after {waited}; it goes on, and can be waited for again"
    )
    return DeadlineExceeded(detail, started=started, function=name)


def _remote(fault: Fault) -> Fault:
    fault.remote = True
    return fault
