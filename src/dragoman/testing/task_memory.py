"""A store of tasks in memory: for tests of what is built on stores, and the measure of those that are durable.

It is written to be read: every operation looks at all tasks. Several hosts may share one `Memory`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from dragoman.tasks.state import State, Step, move
from dragoman.tasks.store import TICK_MAX, StoreFailed
from dragoman.tasks.task import (
    DELIVERED_BYTES_MAX,
    NOTES_MAX,
    US,
    Attempt,
    Beat,
    Census,
    Change,
    Claimed,
    Delivered,
    Delivery,
    Keeping,
    Note,
    Outcome,
    Pulse,
    Query,
    Runner,
    Submission,
    Submitted,
    Task,
    Told,
    Want,
)
from dragoman.testing.task_shelf import Kept, Memory, Parcel, copy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WAITING = (State.SCHEDULED, State.PENDING, State.RETRYING)
"""States in which a task's deadline is the store's concern."""


class MemoryStore:
    """A `tasks.store.Store` that forgets with its process."""

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory or Memory()
        self._open = False
        self._heard: Callable[[Sequence[Change]], object] | None = None

    async def open(self) -> None:
        """Be open."""
        self._open = True

    async def close(self) -> None:
        """Be closed, and tell nobody any more."""
        self._open = False
        if self._heard is not None:
            self._memory.listeners.remove(self._heard)
            self._heard = None

    def listen(self, heard: Callable[[Sequence[Change]], object]) -> None:
        """Have `heard` told of changes, in the loop's next turn."""
        self._heard = heard
        self._memory.listeners.append(heard)

    async def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        """Store tasks."""
        tasks = self._tasks()
        for each in submissions:
            _refuse_broken(each)
        answers: list[Submitted] = []
        for each in submissions:
            if each.id in tasks:
                answers.append(Submitted(each.id, created=False, state=tasks[each.id].task.state))
                continue
            holder = self._holder(each)
            if holder is not None:
                refused = holder.submission.fingerprint != each.fingerprint
                answers.append(Submitted(holder.id, created=False, state=holder.state, refused=refused))
                continue
            later = each.not_before > each.submitted_at
            state = State.SCHEDULED if later else State.PENDING
            kept = Kept(Task(each, state, due_at=each.not_before if later else each.submitted_at), held=later)
            tasks[each.id] = kept
            if not later:
                self._memory.queue(kept)
            self._memory.changed(kept)
            answers.append(Submitted(each.id, created=True, state=state))
        return answers

    async def get(self, id: str, *, whole: bool = False) -> Task | None:  # noqa: A002 - the field's public name
        """A task."""
        kept = self._tasks().get(id)
        return None if kept is None else copy(kept.task, whole=whole)

    async def find(self, query: Query) -> list[Task]:
        """Outlines of tasks, the newest first."""
        found = [kept.task for kept in self._tasks().values() if _matches(kept.task, query)]
        found.sort(key=lambda task: task.id, reverse=True)
        return [copy(task, whole=False) for task in found[: query.limit]]

    async def attempts(self, id: str) -> list[Attempt]:  # noqa: A002 - as above
        """The attempts of a task."""
        kept = self._tasks().get(id)
        return [] if kept is None else list(kept.past)

    async def notes(self, id: str, after: int = 0, limit: int = 1000) -> list[Note]:  # noqa: A002 - as above
        """What a task has logged."""
        kept = self._tasks().get(id)
        return [] if kept is None else [note for note in kept.notes if note.seq > after][:limit]

    async def awaited(self, ids: Sequence[str]) -> set[str]:
        """The tasks that these wait for, and so on."""
        tasks, found, looked = self._tasks(), set[str](), set(ids)
        left = list(looked)
        while left:
            kept = tasks.get(left.pop())
            found |= set() if kept is None else kept.waits
            left += found - looked
            looked |= found
        return found

    async def cancel(self, id: str, now: int) -> State | None:  # noqa: A002 - as above
        """Have a task never run, or be stopped."""
        kept = self._tasks().get(id)
        if kept is None:
            return None
        if kept.task.state in WAITING:
            self._memory.end(kept, Step.CANCEL, now)
        elif kept.task.state is State.RUNNING and not kept.task.cancelling:
            kept.task.cancelling = True
            self._memory.changed(kept)
        return kept.task.state

    async def replay(self, id: str, now: int, attempts_max: int, deadline: int = 0) -> State | None:  # noqa: A002 - as above
        """Have a task that ended without a result run anew."""
        kept = self._tasks().get(id)
        if kept is None:
            return None
        task = kept.task
        if task.state.over and task.state is not State.SUCCEEDED:
            task.state = move(task.state, Step.REPLAY)
            task.submission = replace(task.submission, attempts_max=task.attempts + attempts_max, deadline=deadline)
            task.due_at, task.finished_at, task.cancelling = now, 0, False
            self._memory.queue(kept)
            self._memory.changed(kept)
        return task.state

    async def enlist(self, runner: Runner) -> None:
        """Know a runner."""
        self._tasks()
        self._memory.runners.setdefault(runner.id, Beat(runner, 1))

    async def pulse(self, runner: str) -> Pulse:
        """Count a runner up."""
        tasks = self._tasks()
        beat = self._memory.runners.get(runner)
        if beat is None:
            return Pulse(known=False)
        self._memory.runners[runner] = replace(beat, count=beat.count + 1)
        return Pulse(
            known=True,
            cancelled=tuple(
                kept.task.id
                for kept in tasks.values()
                if kept.task.state is State.RUNNING and kept.runner == runner and kept.task.cancelling
            ),
        )

    async def beats(self) -> list[Beat]:
        """The runners that are known."""
        self._tasks()
        return list(self._memory.runners.values())

    async def reap(self, runner: str, now: int, fault: bytes) -> int:
        """Forget a runner, and take from it what it ran."""
        tasks = self._tasks()
        self._memory.runners.pop(runner, None)
        for parcel in self._memory.parcels.values():
            if parcel.runner == runner:
                parcel.runner, parcel.due_at = "", 0
        ran = [kept for kept in tasks.values() if kept.task.state is State.RUNNING and kept.runner == runner]
        for kept in ran:
            task = kept.task
            task.fault = fault
            kept.past[-1] = replace(kept.past[-1], ended_at=now, fault=fault)
            if task.cancelling:
                self._memory.end(kept, Step.CANCEL, now)
            elif 0 < task.submission.deadline <= now:
                self._memory.end(kept, Step.TIME_OUT, now)
            elif task.attempts >= task.submission.attempts_max:
                self._memory.end(kept, Step.EXHAUST, now)
            else:
                self._memory.hold(kept, Step.RETRY, now)
        return len(ran)

    async def claim(self, runner: str, wants: Sequence[Want], now: int) -> list[Claimed]:
        """Take tasks that are due for a runner."""
        tasks = self._tasks()
        if runner not in self._memory.runners:
            return []
        claimed: list[Claimed] = []
        for want in wants:
            room = want.count
            if want.limit:
                running = [
                    kept
                    for kept in tasks.values()
                    if kept.task.state is State.RUNNING and kept.task.submission.function == want.function
                ]
                room = min(room, want.limit - len(running))
            ready = [kept for kept in tasks.values() if self.is_ready(kept, want.function, now)]
            ready.sort(key=lambda kept: (kept.task.submission.priority, kept.turn))
            claimed += [self.take(kept.task.id, runner, now) for kept in ready[: max(room, 0)]]
        return claimed

    @staticmethod
    def is_ready(kept: Kept, function: str, now: int) -> bool:
        """Whether a task may be claimed."""
        submission = kept.task.submission
        in_time = not submission.deadline or submission.deadline > now
        return kept.task.state is State.PENDING and not kept.held and submission.function == function and in_time

    def take(self, id: str, runner: str, now: int) -> Claimed:  # noqa: A002 - as above
        """Have a runner have a task, whoever's turn it is."""
        kept = self._tasks()[id]
        task = kept.task
        lane = (task.submission.function, task.submission.priority)
        self._memory.clock[lane] = max(self._memory.clock[lane], kept.turn)
        task.state = move(task.state, Step.CLAIM)
        task.attempts += 1
        task.started_at, task.progress, task.message = now, 0.0, ""
        kept.token += 1
        kept.runner = runner
        kept.past.append(Attempt(task.attempts, runner, now))
        self._memory.changed(kept)
        return Claimed(copy(task, whole=True), kept.token)

    async def tell(self, told: Sequence[Told]) -> None:
        """Keep what running tasks say."""
        tasks = self._tasks()
        for each in told:
            kept = tasks.get(each.id)
            if kept is None or kept.task.state is not State.RUNNING or kept.token != each.token:
                continue
            if each.progress is not None:
                kept.task.progress, kept.task.message = each.progress, each.message
                kept.task.seq += 1
            for level, message in each.lines:
                kept.task.seq += 1
                kept.notes.append(Note(kept.task.seq, each.at, level, message))
            del kept.notes[:-NOTES_MAX]
            self._memory.tell(kept)

    async def settle(self, outcomes: Sequence[Outcome]) -> list[bool]:
        """Record how attempts ended."""
        tasks = self._tasks()
        settled: list[bool] = []
        for outcome in outcomes:
            kept = tasks.get(outcome.id)
            holds = kept is not None and kept.task.state is State.RUNNING and kept.token == outcome.token
            settled.append(holds)
            if kept is not None and holds:
                self._memory.settle(kept, outcome)
        return settled

    async def tick(self, now: int, most: int = TICK_MAX) -> int:
        """Move on what time moves."""
        tasks = self._tasks()
        late = [
            kept for kept in tasks.values() if kept.task.state in WAITING and 0 < kept.task.submission.deadline <= now
        ]
        for kept in sorted(late, key=lambda kept: kept.task.submission.deadline)[:most]:
            self._memory.end(kept, Step.TIME_OUT, now)
        due = [kept for kept in tasks.values() if kept.held and kept.task.due_at <= now]
        for kept in sorted(due, key=lambda kept: kept.task.due_at)[:most]:
            kept.held = False
            if kept.task.state is State.SCHEDULED:
                self._memory.queue(kept)
            else:
                self._memory.bring_back(kept, paid=False)
            if kept.task.state is not State.PENDING:
                kept.task.state = move(kept.task.state, Step.DUE)
            self._memory.changed(kept)
        moments = [kept.task.due_at for kept in tasks.values() if kept.held]
        moments += [kept.task.submission.deadline for kept in tasks.values() if kept.task.state in WAITING]
        return min((moment for moment in moments if moment), default=0)

    async def hurry(self, now: int) -> None:
        """Have tasks that pause be due."""
        for kept in self._tasks().values():
            if kept.held and kept.task.state is not State.SCHEDULED and kept.task.due_at > now:
                kept.task.due_at = now
                self._memory.changed(kept)
        for parcel in self._memory.parcels.values():
            parcel.due_at = min(parcel.due_at, now)

    async def deliveries(self, runner: str, count: int, now: int) -> list[Delivery]:
        """Take deliveries that are due."""
        self._tasks()
        if runner not in self._memory.runners:
            return []
        due = [
            parcel
            for parcel in self._memory.parcels.values()
            if not parcel.dead and not parcel.runner and parcel.due_at <= now
        ]
        due.sort(key=lambda parcel: parcel.due_at)
        for parcel in due[:count]:
            was = parcel.delivery
            parcel.delivery = replace(was, number=was.number + 1, token=was.token + 1)
            parcel.runner = runner
        return [_delivery(parcel) for parcel in due[:count]]

    async def delivered(self, outcomes: Sequence[Delivered]) -> None:
        """Record what became of deliveries."""
        self._tasks()
        for each in outcomes:
            parcel = self._memory.parcels.get(each.id)
            if parcel is None or not parcel.runner or parcel.delivery.token != each.token:
                continue
            if each.done:
                del self._memory.parcels[each.id]
                continue
            number = parcel.delivery.number - (not each.tried)
            parcel.delivery = replace(parcel.delivery, number=number, fault=each.fault)
            parcel.runner, parcel.dead, parcel.due_at = "", each.dead, each.due_at

    async def undelivered(self, limit: int = 100) -> list[Delivery]:
        """Deliveries that were given up, the latest first."""
        self._tasks()
        return [_delivery(parcel) for parcel in reversed(self._memory.parcels.values()) if parcel.dead][:limit]

    async def redeliver(self, id: str, now: int) -> bool:  # noqa: A002, ARG002 - the port's; it is due whatever clocks say
        """Have a delivery that was given up tried again."""
        self._tasks()
        parcel = self._memory.parcels.get(id)
        if parcel is None or not parcel.dead:
            return False
        parcel.dead, parcel.due_at, parcel.delivery = False, 0, replace(parcel.delivery, number=0)
        return True

    async def last_slot(self, schedule: str) -> int:
        """The last moment for which a schedule was fired, 0 for never."""
        self._tasks()
        return self._memory.slots.get(schedule, 0)

    async def fire(self, schedule: str, slot: int, submission: Submission | None) -> bool:
        """Store the task of one moment of a schedule, or pass the moment over."""
        if slot <= await self.last_slot(schedule):
            return False
        self._memory.slots[schedule] = slot
        if submission is not None:
            await self.submit([submission])
        return True

    async def census(self) -> Census:
        """How many tasks there are."""
        tasks = self._tasks().values()
        oldest: defaultdict[str, list[int]] = defaultdict(list)
        for kept in tasks:
            if kept.task.state is State.PENDING and not kept.held:
                oldest[kept.task.submission.function].append(kept.task.due_at)
        counts = Counter((kept.task.submission.function, kept.task.state) for kept in tasks)
        return Census(dict(counts), {function: min(moments) for function, moments in oldest.items()})

    async def prune(self, keeping: Keeping, now: int, limit: int = 1000) -> int:
        """Forget tasks that ended too long ago, or are too many."""
        tasks = self._tasks()
        ended = sorted(
            (kept.task for kept in tasks.values() if kept.task.state.over), key=lambda task: task.finished_at
        )
        telling = {parcel.delivery.task.id for parcel in self._memory.parcels.values() if not parcel.dead}
        loose = [task for task in ended if task.id not in telling]
        old = [task for task in loose if keeping.age_s and task.finished_at < now - int(keeping.age_s * US)]
        excess = len(ended) - keeping.count if keeping.count else 0
        gone = loose[: min(limit, max(len(old), excess))]
        for task in gone:
            del tasks[task.id]
        forgotten = {task.id for task in gone}
        parcels = self._memory.parcels
        self._memory.parcels = {
            each: parcel for each, parcel in parcels.items() if parcel.delivery.task.id not in forgotten
        }
        return len(gone)

    def _tasks(self) -> dict[str, Kept]:
        if not self._open:
            raise StoreFailed("the tasks' store is closed: open it first")
        return self._memory.tasks

    def _holder(self, submission: Submission) -> Task | None:
        key = (submission.function, submission.caller, submission.key)
        for kept in self._tasks().values():
            held = kept.task.submission
            if submission.key and (held.function, held.caller, held.key) == key:
                return kept.task
        return None


def _refuse_broken(submission: Submission) -> None:
    """Raise `StoreFailed` for text that no durable store could keep."""
    for text in (submission.function, submission.caller, submission.key, submission.trace):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise StoreFailed(f"a task with text that is none cannot be kept: {error}") from error


def _delivery(parcel: Parcel) -> Delivery:
    task = parcel.delivery.task
    result = task.result if len(task.result) <= DELIVERED_BYTES_MAX else b""
    return replace(parcel.delivery, task=replace(task, submission=replace(task.submission, body=b""), result=result))


def _matches(task: Task, query: Query) -> bool:
    submission = task.submission
    wanted = (query.function, query.caller, query.schedule, query.parent)
    has = (submission.function, submission.caller, submission.schedule, submission.parent)
    return (
        (not query.states or task.state in query.states)
        and all(not want or want == one for want, one in zip(wanted, has, strict=True))
        and (not query.before or task.id < query.before)
    )
