"""What comes of an attempt: the step that its end means, and when there may be another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dragoman.core import backoff
from dragoman.core.fault import Code, Started, WorkerLost
from dragoman.tasks.state import Step
from dragoman.tasks.task import US

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.fault import Fault
    from dragoman.tasks.options import TaskOptions
    from dragoman.tasks.task import Task

REFUSED_S = 1.0
"""How long a task that was refused for want of room is set aside where nobody says for how long."""
REFUSED_S_MAX = 60.0
SUSPENDING = frozenset({Code.ABORTED, Code.UNKNOWN})
"""How an attempt ends that was told to wait for others: by that fault itself, or by an exception that wraps it."""
LOAD = frozenset({Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED})


class Ending(NamedTuple):
    """A step, and when the task is due after it, in microseconds since the epoch (0: at once)."""

    step: Step
    due_at: int = 0


def refused(fault: Fault) -> bool:
    """Whether a call was turned away before it began, because of load or of what passes: that was no attempt."""
    # A worker that died before it had begun may have died of this input.
    return fault.started is Started.NO and fault.code in LOAD and not isinstance(fault, WorkerLost)


def ending(task: Task, fault: Fault, options: TaskOptions, now: int, random: Callable[[], float]) -> Ending:
    """What comes of an attempt that failed. `now` is in microseconds since the epoch."""
    deadline = task.submission.deadline
    late = bool(deadline) and now >= deadline
    if late and (fault.code is Code.DEADLINE_EXCEEDED or refused(fault) or fault.code in options.on):
        return Ending(Step.TIME_OUT)
    if refused(fault):
        pause_s = backoff.pause(REFUSED_S, REFUSED_S, 1, random, min(fault.retry_after_s or 0.0, REFUSED_S_MAX))
        return Ending(Step.RELEASE, now + round(pause_s * US))
    if fault.code not in options.on:
        return Ending(Step.TIME_OUT if fault.code is Code.DEADLINE_EXCEEDED else Step.FAIL)
    if task.attempts >= task.submission.attempts_max:
        return Ending(Step.EXHAUST)
    pause_s = backoff.pause(options.base_s, options.max_s, task.attempts, random, fault.retry_after_s)
    due_at = now + round(pause_s * US)
    # One that could only come too late is none.
    return Ending(Step.TIME_OUT) if deadline and due_at >= deadline else Ending(Step.RETRY, due_at)
