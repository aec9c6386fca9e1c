"""What a store in memory keeps, and what follows when a task moves."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dragoman.tasks.state import State, Step, move
from dragoman.tasks.task import Attempt, Beat, Change, Delivery, Note, Outcome, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_BACK = (Step.RETRY, Step.RELEASE, Step.SUSPEND)


@dataclass(slots=True)
class Kept:
    """A task, and what the store knows besides."""

    task: Task
    turn: int = 0
    held: bool = False
    token: int = 0
    runner: str = ""
    past: list[Attempt] = field(default_factory=list[Attempt])
    notes: list[Note] = field(default_factory=list[Note])
    waits: set[str] = field(default_factory=set[str])


@dataclass(slots=True)
class Parcel:
    """A delivery, and what the store knows besides."""

    delivery: Delivery
    due_at: int = 0
    runner: str = ""
    dead: bool = False


@dataclass(slots=True)
class Memory:
    """What the hosts share."""

    tasks: dict[str, Kept] = field(default_factory=dict[str, Kept])
    runners: dict[str, Beat] = field(default_factory=dict[str, Beat])
    parcels: dict[str, Parcel] = field(default_factory=dict[str, Parcel])
    slots: dict[str, int] = field(default_factory=dict[str, int])
    finish: Counter[tuple[str, int, str]] = field(default_factory=Counter[tuple[str, int, str]])
    clock: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    untaken: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    """Turns that nobody took, since the task ended before."""
    listeners: list[Callable[[Sequence[Change]], object]] = field(
        default_factory=list["Callable[[Sequence[Change]], object]"]
    )

    def settle(self, kept: Kept, outcome: Outcome) -> None:
        """Record how an attempt ended."""
        task, step = kept.task, outcome.step
        if step in (Step.RELEASE, Step.SUSPEND):
            task.attempts -= 1
            task.started_at = 0
            kept.past.pop()
        else:
            kept.past[-1] = replace(kept.past[-1], ended_at=outcome.ended_at, fault=outcome.fault)
            task.fault = outcome.fault or task.fault
        if task.cancelling and step in _BACK:
            self.end(kept, Step.CANCEL, outcome.ended_at)
        elif step is Step.RETRY:
            self.bring_back(kept, paid=True)
            self.hold(kept, step, outcome.due_at or outcome.ended_at)
        elif step is Step.RELEASE:
            self.bring_back(kept, paid=False)
            kept.held = outcome.due_at > outcome.ended_at
            task.due_at = outcome.due_at if kept.held else max(task.due_at, outcome.due_at)
            task.state = move(task.state, step)
            self.changed(kept)
        elif step is Step.SUSPEND:
            self._suspend(kept, outcome.waits_for)
        else:
            if step is Step.SUCCEED:
                task.result, task.result_codec, task.fault = outcome.result, outcome.codec, b""
            self.end(kept, step, outcome.ended_at)

    def _suspend(self, kept: Kept, waits_for: Iterable[str]) -> None:
        kept.task.state = move(kept.task.state, Step.SUSPEND)
        tasks = self.tasks
        kept.waits = {each for each in waits_for if each in tasks and not tasks[each].task.state.over} - {kept.task.id}
        kept.task.waits_for = len(kept.waits)
        if not kept.waits:
            self._wake(kept)
        self.changed(kept)

    def _wake(self, kept: Kept) -> None:
        kept.task.state = move(kept.task.state, Step.DUE)
        self.bring_back(kept, paid=True)

    def end(self, kept: Kept, step: Step, now: int) -> None:
        """Have a task end, with all that follows."""
        task = kept.task
        if task.state is not State.RUNNING:
            self.untaken[task.submission.function, task.submission.priority] += 1
        task.state = move(task.state, step)
        task.finished_at, task.waits_for, task.cancelling = now, 0, False
        kept.held, kept.waits = False, set()
        self.changed(kept)
        if task.submission.callback:
            delivery = Delivery(f"{task.id}-{task.seq}", copy(task, whole=True), task.submission.callback, 0, 0)
            self.parcels[delivery.id] = Parcel(delivery)
        for waiter in self.tasks.values():
            if task.id in waiter.waits:
                waiter.waits.discard(task.id)
                waiter.task.waits_for = len(waiter.waits)
                if not waiter.waits:
                    self._wake(waiter)
                self.changed(waiter)

    def hold(self, kept: Kept, step: Step, due_at: int) -> None:
        """Have a task wait for a moment."""
        kept.task.state = move(kept.task.state, step)
        kept.task.due_at, kept.held = due_at, True
        self.changed(kept)

    def queue(self, kept: Kept) -> None:
        """Have a task wait for a turn that it never had."""
        submission = kept.task.submission
        lane = (submission.function, submission.priority)
        flow = (*lane, submission.caller)
        kept.turn = max(self.clock[lane], self.finish[flow])
        self.finish[flow] = kept.turn + 1

    def bring_back(self, kept: Kept, *, paid: bool) -> None:
        """Have a task wait for the turn that it had, or now."""
        submission = kept.task.submission
        lane = (submission.function, submission.priority)
        flow = (*lane, submission.caller)
        if paid:
            self.finish[flow] = max(self.clock[lane], self.finish[flow]) + 1
        kept.turn = max(kept.turn, self.clock[lane])

    def changed(self, kept: Kept) -> None:
        """A task is something else now."""
        kept.task.seq += 1
        self.tell(kept)

    def tell(self, kept: Kept) -> None:
        """Tell of a task as it is now."""
        task = kept.task
        change = Change(task.id, task.submission.function, task.state, task.seq, task.cancelling)
        for heard in self.listeners:
            asyncio.get_running_loop().call_soon(heard, [change])


def copy(task: Task, *, whole: bool) -> Task:
    """A task of its own for whoever asks: `whole`, or its outline."""
    if whole:
        return replace(task)
    return replace(task, submission=replace(task.submission, body=b""), result=b"")
