"""One attempt at a task while it is here: claimed, perhaps waiting for a place, running, or ended and not recorded."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from dragoman.core.call import Ties, callers_of
from dragoman.core.event import Log, Progress
from dragoman.tasks.task import NOTES_MAX, Told

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.call import Call
    from dragoman.core.event import Event
    from dragoman.core.service import Pending
    from dragoman.tasks.state import Step
    from dragoman.tasks.task import Claimed, Task
    from dragoman.tasks.works import Job

LINE_CHARS_MAX = 4096
"""A line longer than this is cut: a store of a million tasks is no place for what somebody dumps."""
MESSAGE_CHARS_MAX = 1024
LEVELS = frozenset({"debug", "info", "warning", "error"})


class TaskTies(Ties):
    """The ties of a task's attempt: what it calls can be told to be done for that task."""

    __slots__ = ("run",)

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run


class Run:
    """An attempt.

    `enrolment` is the runner under whose lease it is. `began_at` is when it began to wait for its place, or to run.
    `cancelling` says that it is to be stopped, `lost` that it is somebody else's now, and `step` what has come of it.
    `waits_for` are the tasks that it was told to wait for, and `submitted` counts those that it has made.
    """

    __slots__ = (
        "began_at",
        "call",
        "cancelling",
        "claimed",
        "enrolment",
        "job",
        "lines",
        "lost",
        "message",
        "on_told",
        "pending",
        "share",
        "step",
        "submitted",
        "told_any",
        "waits_for",
    )

    def __init__(self, claimed: Claimed, job: Job, enrolment: str, on_told: Callable[[Run], object]) -> None:
        """`on_told` is called when there is something to tell and there was nothing before."""
        self.claimed = claimed
        self.job = job
        self.enrolment = enrolment
        self.on_told = on_told
        self.call: Call | None = None
        self.pending: Pending | None = None
        self.began_at = 0.0
        self.cancelling = claimed.task.cancelling
        self.lost = False
        self.step: Step | None = None
        self.waits_for: tuple[str, ...] = ()
        self.submitted = 0
        self.told_any = False
        self.share: float | None = None
        self.message = ""
        self.lines: deque[tuple[str, str]] = deque(maxlen=NOTES_MAX)

    @property
    def task(self) -> Task:
        """What is run."""
        return self.claimed.task

    @property
    def over(self) -> bool:
        """Whether its outcome is known."""
        return self.step is not None

    def aim(self, call: Call) -> Call:
        """Have a call be this attempt."""
        submission = self.task.submission
        call.ties = TaskTies(self)
        call.on_event = self.heard
        call.public_id = self.task.id
        call.caller, call.priority = submission.caller, submission.priority
        self.call = call
        return call

    def heard(self, event: Event) -> None:
        """Take what the function says."""
        if self.over:
            return
        if isinstance(event, Progress):
            self.share, self.message = event.share, event.message[:MESSAGE_CHARS_MAX]
        else:
            self.lines.append(line_of(event))
        if not self.told_any:
            self.told_any = True
            self.on_told(self)

    def told(self, now: int) -> Told:
        """What was said since this was last asked. `now` is in microseconds since the epoch."""
        claimed = self.claimed
        told = Told(claimed.task.id, claimed.token, now, self.share, self.message, tuple(self.lines))
        self.told_any, self.share = False, None
        self.lines.clear()
        return told


def line_of(event: Log) -> tuple[str, str]:
    """A line as it is kept: its level, and its text with what stands beside it."""
    fields = "".join(f" {name}={value!r}" for name, value in event.fields.items()) if event.fields else ""
    text = event.message + fields
    cut = text if len(text) <= LINE_CHARS_MAX else text[: LINE_CHARS_MAX - 1] + "…"
    return event.level if event.level in LEVELS else "info", cut


def run_of(call: Call | None) -> Run | None:
    """The attempt that a call is, or is made for, however many calls lie between; None where there is none."""
    if call is None:
        return None
    for each in (call, *callers_of(call)):
        if isinstance(each.ties, TaskTies):
            return each.ties.run
    return None
