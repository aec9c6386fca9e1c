"""The attempts that one host makes: each waits for a place of its group, runs as a call, and ends in an outcome."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from contextlib import suppress
from typing import TYPE_CHECKING

from dragoman.core.deadline import NEVER
from dragoman.core.fault import Fault, OutOfRange, Started
from dragoman.core.items import gather
from dragoman.core.service import settle
from dragoman.tasks.ending import REFUSED_S, SUSPENDING, ending
from dragoman.tasks.run import Run
from dragoman.tasks.state import Step
from dragoman.tasks.task import BODY_BYTES_MAX, US, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.call import Reply
    from dragoman.core.service import Pending
    from dragoman.policies.surroundings import Surroundings
    from dragoman.tasks.document import Faults
    from dragoman.tasks.rooms import Rooms
    from dragoman.tasks.settling import Settling
    from dragoman.tasks.task import Claimed
    from dragoman.tasks.works import Job, Works

STEP_S_MIN = 0.001
"""An attempt gets at least so much time, so that one at its deadline ends by it and not as if it had none."""


class Attempts:
    """Makes attempts. `freed` is called when there may be room for more."""

    def __init__(
        self,
        works: Works,
        rooms: Rooms,
        around: Surroundings,
        faults: Faults,
        settling: Settling,
        freed: Callable[[], object],
    ) -> None:
        self._works = works
        self._rooms = rooms
        self._around = around
        self._faults = faults
        self._settling = settling
        self._freed = freed
        self._runs: dict[str, Run] = {}
        self._held: dict[str, deque[Run]] = {}
        self._filling: set[str] = set()
        self._quiet: asyncio.Event | None = None
        self.counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._runs)

    def find(self, id: str) -> Run | None:  # noqa: A002 - the field's public name
        """The attempt at a task that is here."""
        return self._runs.get(id)

    def of(self, enrolment: str) -> list[Run]:
        """The attempts under one lease."""
        return [run for run in self._runs.values() if run.enrolment == enrolment]

    def take(self, claimed: Claimed, job: Job, enrolment: str) -> None:
        """Have a task that was claimed run when its group has a place."""
        run = Run(claimed, job, enrolment, self._settling.tell)
        run.began_at = self._around.clock.monotonic()
        self._runs[claimed.task.id] = run
        if run.cancelling:
            self._conclude(run, Step.CANCEL)
            return
        submission = claimed.task.submission
        self._rooms.taken_in(job.group, len(submission.body))
        held = self._held.setdefault(job.group, deque())
        at = len(held)
        while at and held[at - 1].task.submission.priority > submission.priority:
            at -= 1
        held.insert(at, run)

    def fill(self) -> None:
        """Give places to those that wait for one."""
        for group in [group for group, held in self._held.items() if held]:
            self._fill(group)

    def let_go(self) -> None:
        """Give back what has waited for its place for too long: others may have places for it."""
        since = self._around.clock.monotonic() - self._rooms.patience_s()
        for run in [run for held in self._held.values() for run in held if run.began_at < since]:
            self._rooms.misjudged(run.job.group)
            self._give_back(run)

    def cancel(self, id: str) -> None:  # noqa: A002 - the field's public name
        """Stop a task: at once where it has not begun, else by the cancel of its call."""
        run = self._runs.get(id)
        if run is None or run.over or run.cancelling:
            return
        run.cancelling = True
        if run.pending is not None:
            run.pending.cancel()
        else:
            self._unhold(run)
            self._conclude(run, Step.CANCEL)

    def lose(self, enrolment: str) -> None:
        """Stop what runs under a lease that is somebody else's now: nothing of it can be recorded."""
        for run in self.of(enrolment):
            run.lost = True
            if run.pending is not None:
                run.pending.cancel()
            elif not run.over:
                self._unhold(run)
            self._forget(run)

    async def drain(self, drain_s: float) -> list[Run]:
        """Give back what has not begun; let the rest end for so many seconds, then give back what still runs: that."""
        for run in [run for held in self._held.values() for run in held]:
            self._give_back(run)
        # What has ended is not waited for here: a store that does not take it would take all of this time.
        quiet = self._quiet = asyncio.Event()
        self._look_quiet()
        if drain_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(drain_s):
                    await quiet.wait()
        released = [run for run in self._runs.values() if not run.over]
        for run in released:
            self._conclude(run, Step.RELEASE, self._wall())
        return released

    def settled(self, run: Run, held: bool) -> None:  # noqa: FBT001 - what the store says
        """An outcome is recorded; or not, since the task was `held` by somebody else."""
        self.counts[run.step.value if held and run.step is not None else "lost"] += 1
        self._forget(run)

    # Within

    def _wall(self) -> int:
        return int(self._around.clock.now() * US)

    def _fill(self, group: str) -> None:
        if group in self._filling:
            return  # a call that ended as it began: whoever began it goes on
        held = self._held[group]
        self._filling.add(group)
        try:
            while held and self._rooms.free(group):
                self._begin(held.popleft())
        finally:
            self._filling.discard(group)

    def _begin(self, run: Run) -> None:
        rooms, group = self._rooms, run.job.group
        rooms.group(group).held -= 1
        now = self._around.clock.monotonic()
        try:
            call = run.aim(self._works.call(run.task))
        except Fault:
            # It was there a moment ago, and may be elsewhere.
            self._conclude(run, Step.RELEASE, self._wall() + round(REFUSED_S * US))
            return
        call.deadline = now + self._left_s(run)
        call.arrived_at = run.began_at = now
        rooms.begun(group)
        run.pending = self._works.run(call)
        run.pending.then(lambda settled: self._answered(run, settled))

    def _left_s(self, run: Run) -> float:
        """Seconds that an attempt may take."""
        submission = run.task.submission
        left_s = submission.attempt_s or NEVER
        if submission.deadline:
            left_s = min(left_s, submission.deadline / US - self._around.clock.now())
        return max(left_s, STEP_S_MIN)

    def _answered(self, run: Run, settled: Pending) -> None:
        reply = settled.reply
        if reply is not None and reply.items is not None:
            run.pending = settle(gather(reply, run.task.submission.reply_codec))
            run.pending.then(lambda gathered: self._ended(run, gathered))
        else:
            self._ended(run, settled)

    def _ended(self, run: Run, settled: Pending) -> None:
        """The call of an attempt has ended, and its place is free."""
        call = run.call
        assert call is not None, "only what has begun ends"
        now = self._around.clock.monotonic()
        began_at = call.dispatched_at if call.dispatched_at > 0 else run.began_at
        self._rooms.ended(run.job.group, now - began_at)
        if not (run.over or run.lost):
            fault = settled.fault
            if fault is None:
                self._succeed(run, settled.result())
            else:
                self._fail(run, fault)
        if self._held.get(run.job.group):
            self._fill(run.job.group)
        self._freed()

    def _succeed(self, run: Run, reply: Reply) -> None:
        if len(reply.body) > BODY_BYTES_MAX:
            detail = f"the result has {len(reply.body)} bytes, and a task's may have {BODY_BYTES_MAX}"
            self._fail(run, OutOfRange(detail, started=Started.YES))
            return
        self._rooms.taken(run.task.submission.function)
        claimed = run.claimed
        # What lies in memory that a worker can write is its own again after this.
        body = reply.body if isinstance(reply.body, bytes) else bytes(reply.body)
        self._put(run, Outcome(run.task.id, claimed.token, Step.SUCCEED, self._wall(), body, reply.codec))

    def _fail(self, run: Run, fault: Fault) -> None:
        task, now = run.task, self._wall()
        if run.cancelling:
            self._conclude(run, Step.CANCEL)
            return
        if run.waits_for and fault.code in SUSPENDING:
            self._put(run, Outcome(task.id, run.claimed.token, Step.SUSPEND, now, waits_for=run.waits_for))
            return
        end = ending(task, fault, run.job.options, now, self._around.random)
        fault.call_id = fault.call_id or task.id
        if end.step is Step.RELEASE:
            self._rooms.refused(task.submission.function)
        else:
            self._rooms.taken(task.submission.function)
            self._works.failed(task, fault, end.step)
        self._conclude(run, end.step, end.due_at, self._faults.dump(fault, task, now))

    def _conclude(self, run: Run, step: Step, due_at: int = 0, fault: bytes = b"") -> None:
        kept = b"" if step in {Step.RELEASE, Step.CANCEL} else fault
        self._put(run, Outcome(run.task.id, run.claimed.token, step, self._wall(), fault=kept, due_at=due_at))

    def _put(self, run: Run, outcome: Outcome) -> None:
        run.step = outcome.step
        self._settling.put(run, outcome)
        self._look_quiet()

    def _give_back(self, run: Run) -> None:
        self._unhold(run)
        self._conclude(run, Step.RELEASE)

    def _unhold(self, run: Run) -> None:
        held = self._held[run.job.group]
        held.remove(run)
        self._rooms.group(run.job.group).held -= 1

    def _forget(self, run: Run) -> None:
        if self._runs.get(run.task.id) is run:
            del self._runs[run.task.id]
        self._look_quiet()

    def _look_quiet(self) -> None:
        """While this host drains, see whether all has ended."""
        if self._quiet is not None and all(run.over for run in self._runs.values()):
            self._quiet.set()
