"""Tasks as people and programs see them: plain JSON documents, and faults as problem documents among them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dragoman.core.fault import Cancelled, Code, DeadlineExceeded, Fault, Started, Unavailable
from dragoman.core.moment import rfc3339
from dragoman.core.problem import from_problem, to_problem
from dragoman.tasks.state import State
from dragoman.tasks.task import US

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.call import Trace
    from dragoman.tasks.task import Attempt, Census, Delivery, Note, Task

PRIORITIES = ("critical", "normal", "batch")


def moment(at_us: int) -> str | None:
    """A moment as documents have it; None for none."""
    return rfc3339(at_us / US) if at_us else None


def problem(fault: bytes) -> dict[str, Any] | None:
    """A stored fault as it is shown; None for none."""
    return json.loads(fault) if fault else None


def shown(task: Task) -> dict[str, Any]:
    """A task."""
    submission = task.submission
    return {
        "id": task.id,
        "function": submission.function,
        "version": submission.version,
        "state": task.state.value,
        "priority": PRIORITIES[submission.priority],
        "caller": submission.caller,
        "attempts": task.attempts,
        "attempts_max": submission.attempts_max,
        "progress": task.progress,
        "message": task.message,
        "submitted_at": moment(submission.submitted_at),
        "due_at": moment(task.due_at),
        "started_at": moment(task.started_at),
        "finished_at": moment(task.finished_at),
        "deadline": moment(submission.deadline),
        "parent": submission.parent or None,
        "schedule": submission.schedule or None,
        "cancelling": task.cancelling,
        "fault": problem(task.fault),
        "seq": task.seq,
    }


def attempt(each: Attempt) -> dict[str, Any]:
    """One run of a task."""
    return {
        "number": each.number,
        "runner": each.runner,
        "started_at": moment(each.started_at),
        "ended_at": moment(each.ended_at),
        "fault": problem(each.fault),
    }


def note(each: Note) -> dict[str, Any]:
    """A line that a task has logged."""
    return {"seq": each.seq, "at": moment(each.at), "level": each.level, "message": each.message}


def delivery(each: Delivery) -> dict[str, Any]:
    """A message about a task's end that could not be delivered."""
    return {
        "id": each.id,
        "task": each.task.id,
        "state": each.task.state.value,
        "target": json.loads(each.target) if each.target else None,
        "attempts": each.number,
        "fault": each.fault or None,
    }


def counted(census: Census) -> dict[str, Any]:
    """How many tasks there are: of each function, by state, and since when the oldest waits."""
    functions: dict[str, dict[str, Any]] = {}
    for (function, state), count in sorted(census.counts.items()):
        functions.setdefault(function, {"states": {}, "oldest": None})["states"][state.value] = count
    for function, at_us in census.oldest.items():
        functions.setdefault(function, {"states": {}, "oldest": None})["oldest"] = moment(at_us)
    return functions


class Faults:
    """Faults as stores keep them. `status_of` is the HTTP status of a code."""

    def __init__(self, service: str, status_of: Callable[[Code], int]) -> None:
        """`service` is the project's name."""
        self._service = service
        self._status_of = status_of

    def dump(self, fault: Fault, task: Task, at_us: int) -> bytes:
        """The problem document of an attempt that failed."""
        fault.function = fault.function or task.submission.function
        fault.service = fault.service or self._service
        fault.trace_id = fault.trace_id or trace_id(task.submission.trace)
        document = to_problem(
            fault, status=self._status_of(fault.code), instance=f"/v1/tasks/{task.id}", timestamp=rfc3339(at_us / US)
        )
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")

    def lost(self, at_us: int) -> bytes:
        """The problem document of attempts whose host is gone."""
        fault = Unavailable("the host that ran this attempt is gone", started=Started.UNKNOWN)
        fault.service = self._service
        document = to_problem(
            fault, status=self._status_of(fault.code), instance="/v1/tasks", timestamp=rfc3339(at_us / US)
        )
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def fault_of(task: Task) -> Fault:
    """The fault that a task ended with, for whoever asks for its result."""
    if task.fault and task.state is not State.CANCELLED:
        fault = from_problem(json.loads(task.fault))
        fault.remote = False
        return fault
    name = task.submission.function
    if task.state is State.TIMED_OUT:
        return DeadlineExceeded(
            f"{name} had not ended at the deadline of its task", started=started(task), function=name
        )
    return Cancelled(f"the task of {name} was cancelled", started=started(task), function=name)


def started(task: Task) -> Started:
    """Whether a task's function ever began, as far as its row can tell."""
    return Started.UNKNOWN if task.attempts else Started.NO


def traceparent(trace: Trace | None) -> str:
    """A trace context as text; empty for none."""
    if trace is None:
        return ""
    return f"00-{trace.trace_id.hex()}-{trace.span_id.hex()}-{trace.flags:02x}"


def trace_id(traceparent: str) -> str:
    """The trace of a `traceparent`; empty for none."""
    return traceparent[3:35]
