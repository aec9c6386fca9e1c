"""What runs tasks on one host: claims what there is room for, and tells the store that it lives.

It sleeps until it hears of something: a submission wakes it at once, a timer when the store says that something is due.
While it lives it counts itself up (`tasks.store`), and watches the others. One that was taken for dead, because its
machine slept or its store was away, stops what it runs and begins anew under another id.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.tasks.attempts import Attempts
from dragoman.tasks.lasting import Work, lasting
from dragoman.tasks.liveness import has_gone, runner
from dragoman.tasks.options import TaskOptions
from dragoman.tasks.pace import TURN_S, Pace
from dragoman.tasks.rooms import Rooms
from dragoman.tasks.settling import Settling
from dragoman.tasks.state import State, Step
from dragoman.tasks.store import TICK_MAX, StoreFailed
from dragoman.tasks.task import US
from dragoman.tasks.vigil import Vigil
from dragoman.tasks.works import Job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from dragoman.core.clock import Timer
    from dragoman.policies.surroundings import Surroundings
    from dragoman.tasks.document import Faults
    from dragoman.tasks.run import Run
    from dragoman.tasks.store import Store
    from dragoman.tasks.task import Change, Keeping
    from dragoman.tasks.works import Works

PAUSE_S_MAX = 2.0
"""Between tries to reach a store that fails; never longer than between two signs of life."""
TICK_S_MIN = 0.002
"""Moments that come closer together than this are looked at in one go."""
BACK_S = 5.0
"""A clock that was put back by less than this makes nothing wait that much longer that anybody would mind."""
PRUNE_S = 60.0
"""How often what has ended long ago is forgotten."""
PRUNE_BATCH = 1000
PRUNE_REST_S = 0.05
"""Between two batches of that, so that it delays nobody."""
FLUSH_S = 5.0
"""How long a host that stops waits for its last outcomes to be recorded; what is not then runs again elsewhere."""
GONE = Job("", TaskOptions())
"""A function that was taken out of service while a task of it was claimed."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a runner shows that it lives, and what it forgets.

    `name` is for people. After `lease_s` seconds without a sign it is taken for dead. `keeping` is asked each time.
    """

    name: str
    lease_s: float
    keeping: Callable[[], Keeping]


class Runner:
    """Runs the tasks of a store on one host."""

    def __init__(
        self,
        store: Store,
        works: Works,
        around: Surroundings,
        faults: Faults,
        terms: Terms,
        next_id: Callable[[], str],
    ) -> None:
        """`next_id` makes the ids under which it is known."""
        self._store = store
        self._works = works
        self._around = around
        self._faults = faults
        self._terms = terms
        self._next_id = next_id
        now = around.clock.monotonic
        self._pace = Pace(works.offered, now)
        self._rooms = Rooms(works.jobs, works.room, now, self._pace)
        self._settling = Settling(store, around, self._settled)
        self._wake = asyncio.Event()
        self.attempts = Attempts(works, self._rooms, around, faults, self._settling, self._wake.set)
        self._vigil = Vigil(terms.lease_s, now, has_gone)
        self.id = ""
        self._former: set[str] = set()
        self._stir = asyncio.Event()
        self._next_due = 0
        self._ahead_s = float("-inf")
        self._looking: Timer | None = None
        self._look_at = 0.0
        self._loops: list[asyncio.Task[None]] = []
        self._claiming = asyncio.Lock()
        self._unsure = False
        self.stopping = False

    # From outside

    async def start(self) -> None:
        """Begin. Raises `StoreFailed` where the store cannot be told."""
        await self._enlist()
        around, pause_s_max = self._around, min(PAUSE_S_MAX, self._vigil.interval_s)
        works = (
            self._settling.work,
            Work(self._claims, "tasks cannot be claimed now", "tasks are claimed again"),
            Work(self._ticks, "what is due cannot be looked for now", "what is due is looked for again"),
            Work(self._pulses, "this host cannot show others now that it lives", "it shows again that it lives"),
            Work(self._prunes, "what ended long ago cannot be forgotten now", "what ended long ago is forgotten again"),
        )
        lasts = [lasting(each, pause_s_max, around.random, self._works.trouble) for each in works]
        self._loops = [asyncio.ensure_future(each) for each in lasts]

    async def stop(self, drain_s: float) -> None:
        """Claim nothing more; let what runs end for so many seconds, then give the rest back, and leave."""
        self.stopping = True
        # What a claim that is on its way brings is given back too; one that hangs brings nothing in time.
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S), self._claiming:
                pass
        released = await self.attempts.drain(drain_s)
        await self._settling.flush(FLUSH_S)
        for run in released:
            if run.pending is not None:
                run.pending.abandon()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if self._looking is not None:
            self._looking.cancel()
        # Whatever could not be recorded comes free by this, or when the lease runs out.
        with suppress(StoreFailed):
            for enrolment in (self.id, *self._former):
                await self._reap(enrolment)

    def heard(self, changes: Sequence[Change]) -> None:
        """Take changes of tasks."""
        rooms, woken = self._rooms, False
        for change in changes:
            state = change.state
            if state is State.PENDING:
                rooms.stir(change.function)
                woken = True
            elif state is State.RUNNING:
                if change.cancelling:
                    self.attempts.cancel(change.id)
                continue
            elif not state.over:
                self._stir.set()
            woken = self._freed(change.function) or woken
        if woken:
            self._wake.set()

    def due(self, at_us: int) -> None:
        """Something is due at a moment, in microseconds since the epoch, which may be before all that was known."""
        if at_us and (not self._next_due or at_us < self._next_due):
            self._stir.set()

    def renew(self) -> None:
        """There are other functions, or settings of them, than before."""
        self._rooms.renew()
        self._wake.set()

    def _freed(self, function: str) -> bool:
        """A task of a function has left its place, for which others may wait where those are counted everywhere."""
        job = self._works.jobs().get(function)
        if job is None or not job.options.concurrency:
            return False
        self._rooms.stir(function)
        return True

    # Claims

    async def _claims(self) -> Awaitable[object]:
        """Claim what there is room for, and again once there may be something."""
        self._wake.clear()
        try:
            async with self._claiming:
                await self._claim()
        except Exception as error:
            # Whatever else went wrong: what was claimed, if anything was, may be nowhere here.
            self._unsure = self._unsure or not isinstance(error, StoreFailed) or error.unsure
            raise
        return self._wake.wait()

    async def _claim(self) -> None:
        if self._settling.full or self.stopping:
            return
        wants = self._rooms.wants()
        if not wants:
            self._look_again()
            return
        if self._unsure:
            # What was claimed last, if anything was, nobody knows: it comes free when this id is given up.
            await self._enlist()
            self._unsure = False
        enrolment, now = self.id, self._around.clock.monotonic
        began = now()
        claimed = await self._store.claim(enrolment, wants, self._wall())
        self._rooms.claimed(now() - began)
        self._rooms.found(wants, Counter(each.task.submission.function for each in claimed))
        if enrolment != self.id and enrolment not in self._former:
            return  # this host was taken for dead meanwhile: what it claimed is free again
        jobs = self._works.jobs()
        for each in claimed:
            self.attempts.take(each, jobs.get(each.task.submission.function, GONE), enrolment)
        if self.stopping:
            return
        self.attempts.fill()
        if claimed:
            self._wake.set()
        else:
            self._look_again()

    def _look_again(self) -> None:
        """Look for room that nobody tells of, if something waits for it."""
        look_s = self._rooms.look_s()
        if look_s is None:
            return
        look_at = self._around.clock.monotonic() + look_s
        if self._looking is not None:
            if self._look_at <= look_at:
                return
            self._looking.cancel()
        self._looking, self._look_at = self._around.call_later(look_s, self._looked), look_at

    def _looked(self) -> None:
        self._looking = None
        self.attempts.fill()
        self.attempts.let_go()
        self._wake.set()

    def _settled(self, run: Run, held: bool) -> None:  # noqa: FBT001 - what the store says
        self.attempts.settled(run, held)
        if run.step is Step.RELEASE:
            self._stir.set()  # it may have to pause, which is no state of its own
        # Where too much waited to be recorded nothing was claimed.
        self._wake.set()

    # Time

    async def _ticks(self) -> Awaitable[object]:
        """Have the store move on what time moves, and again when there is more."""
        now = self._around.clock.monotonic
        self._stir.clear()
        await self._look_at_clock()
        began, soon = now(), self._pace.soon()
        most = TICK_MAX if soon is None else min(soon, TICK_MAX)
        self._next_due = await self._store.tick(self._wall(), most)
        if self._next_due and self._next_due <= self._wall():
            # There is more than one step takes. Claims have the store for as long in between; and while calls
            # come, what cannot run yet need not be due yet.
            return asyncio.sleep(now() - began if soon is None else TURN_S)
        # A clock that jumps ahead is noticed no later than this.
        wait_s = self._vigil.interval_s
        if self._next_due:
            wait_s = min(wait_s, max((self._next_due - self._wall()) / US, TICK_S_MIN))
        return self._stirred(wait_s)

    async def _stirred(self, wait_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._stir.wait()
            await asyncio.sleep(TICK_S_MIN)

    async def _look_at_clock(self) -> None:
        """Where the clock was put back, have what pauses not pause so much longer."""
        ahead_s = self._around.clock.now() - self._around.clock.monotonic()
        if ahead_s < self._ahead_s - BACK_S:
            await self._store.hurry(self._wall())
        self._ahead_s = ahead_s

    async def _prunes(self) -> Awaitable[object]:
        """Forget what has ended long ago."""
        forgotten = await self._store.prune(self._terms.keeping(), self._wall(), PRUNE_BATCH)
        return asyncio.sleep(PRUNE_REST_S if forgotten >= PRUNE_BATCH else PRUNE_S)

    # Life

    async def _pulses(self) -> Awaitable[object]:
        """Say that this host lives, and see who does not."""
        await self._pulse(self.id)
        # What a claim that was cut off brought waits for this: however badly the store goes, each try brings it nearer.
        for enrolment in [each for each in self._former if not self.attempts.of(each)]:
            await self._reap(enrolment)
            self._former.discard(enrolment)
        for enrolment in tuple(self._former):
            await self._pulse(enrolment)
        for enrolment in self._vigil.look(await self._store.beats(), (self.id, *self._former)):
            count = await self._reap(enrolment)
            if count:
                self._works.trouble(f"a host that ran {count} tasks is gone: they run again")
        return asyncio.sleep(self._vigil.interval_s)

    async def _pulse(self, enrolment: str) -> None:
        pulse = await self._store.pulse(enrolment)
        if not pulse.known:
            await self._taken_for_dead(enrolment)
        for each in pulse.cancelled:
            self.attempts.cancel(each)

    async def _taken_for_dead(self, enrolment: str) -> None:
        count = len(self.attempts.of(enrolment))
        self.attempts.lose(enrolment)
        self._former.discard(enrolment)
        if enrolment == self.id:
            self.id = ""
            self._works.trouble(f"this host was taken for dead by another: {count} tasks that it ran are stopped here")
            await self._enlist()

    async def _enlist(self) -> None:
        """Be known under a new id from now on; what runs under the one before goes on."""
        fresh = self._next_id()
        await self._store.enlist(runner(fresh, self._terms.name))
        if self.id:
            self._former.add(self.id)
        self.id = fresh
        self.renew()

    async def _reap(self, enrolment: str) -> int:
        now = self._wall()
        return await self._store.reap(enrolment, now, self._faults.lost(now))

    # Within

    def _wall(self) -> int:
        return int(self._around.clock.now() * US)
