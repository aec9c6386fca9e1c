"""Delivers what tasks have to tell at their end: takes deliveries out of the store, has them carried, records it.

Of one target only a share is under way at a time, and no more wait here than it takes soon, so that one which hangs
keeps nobody else waiting. What comes on top of that is given back untried, for when its turn may be. What failed is
tried again after pauses that grow to an hour; after the last attempt it is a dead letter, which an operator sees and
may send again.

A delivery is recorded after the fact: a host that dies in between makes it go out twice, with the same id.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dragoman.tasks.callback import CallbackError, load
from dragoman.tasks.store import StoreFailed
from dragoman.tasks.task import US, Delivered
from dragoman.tasks.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from dragoman.core.clock import CallLater, Clock, Timer
    from dragoman.tasks.callback import Callback
    from dragoman.tasks.message import Message
    from dragoman.tasks.store import Store
    from dragoman.tasks.task import Change, Delivery

GROWTH = 3.0
SOON_S = 0.05
"""Between two looks, where the first found nothing: most tasks that end have nothing to deliver."""
TOOK_S_MIN = 0.001
FULL_S = 0.5
"""Between two looks while the hand is full: whoever has become slow by then leaves room to others."""
TROUBLE_S = 1.0
"""Between two looks at a store that cannot be looked at."""
CROWD_S_MAX = 60.0
"""How long one that finds a crowd is put off at most: its target may be well again by then."""


@dataclass(frozen=True, slots=True)
class CourierOptions:
    """How deliveries are made.

    `attempts_max` of them, with pauses from `pause_s` to `pause_s_max` seconds: by these, for about seven hours.
    `in_hand` are taken at a time, of which `share` are under way to one target; of the same target wait here what it
    takes within `line_s` seconds, as it has been lately. Without any news the store is looked at every `look_s`
    seconds, for what a host that died has left.
    """

    attempts_max: int = 16
    pause_s: float = 5.0
    pause_s_max: float = 3600.0
    in_hand: int = 256
    share: int = 8
    line_s: float = 2.0
    look_s: float = 5.0


class World(NamedTuple):
    """Time and chance. `random` gives numbers from 0 up to 1."""

    clock: Clock
    call_later: CallLater
    random: Callable[[], float]


class _Target:
    """Who deliveries go to: when those under way began, which wait for them, and how long one takes, about."""

    def __init__(self) -> None:
        self.going: dict[_Trip, float] = {}
        self.waiting: deque[_Trip] = deque()
        self.took_s = SOON_S
        self.crowd = 0

    def takes_s(self, now: float) -> float:
        """How long one takes: as it was, or as those under way have been waiting already, if that is longer."""
        return max(self.took_s, TOOK_S_MIN, now - next(iter(self.going.values()), now))


@dataclass(eq=False, slots=True)
class _Trip:
    """One delivery in hand. It is `over` when it is known what is to be recorded of it."""

    delivery: Delivery
    callback: Callback
    target: _Target
    over: bool = False


class Courier:
    """Makes the deliveries of one host."""

    def __init__(
        self,
        store: Store,
        carry: Callable[[Callback, Message], Awaitable[Verdict]],
        compose: Callable[[Delivery, int], Message],
        world: World,
        note: Callable[[str], object],
        options: CourierOptions | None = None,
    ) -> None:
        """`compose` writes a message, `carry` brings it there. `note` is told, for people, what was given up."""
        self.counts: Counter[str] = Counter()
        self._store = store
        self._carry = carry
        self._compose = compose
        self._world = world
        self._note = note
        self.options = options or CourierOptions()
        self._runner: Callable[[], str] = str
        self._targets: dict[str, _Target] = {}
        self._going: dict[asyncio.Task[None], _Trip] = {}
        self._owed: list[Delivered] = []
        self._taking: asyncio.Task[None] | None = None
        self._recording: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        self._wanted = False
        self._not_before = 0.0
        self._due: list[float] = []
        self._running = False

    @property
    def in_hand(self) -> int:
        """Deliveries that are under way or wait here."""
        return sum(len(target.going) + len(target.waiting) for target in self._targets.values())

    @property
    def busy(self) -> bool:
        """Whether the store is being asked, or told."""
        return self._taking is not None or self._recording is not None

    def start(self, runner: Callable[[], str]) -> None:
        """Deliver from now on, in the name of the runner that `runner()` says this host is."""
        self._runner = runner
        self._running = True
        self.poke()

    def heard(self, changes: Sequence[Change]) -> None:
        """Take notice of changes: what is over may have something to tell."""
        if any(change.state.over for change in changes):
            self.poke()

    def poke(self) -> None:
        """Look whether there is something to deliver, soon."""
        self._wanted = True
        self._plan()

    async def stop(self, grace_s: float = 0.0) -> None:
        """Let what is under way end for so many seconds, and give the rest back."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
        busy = [task for task in (self._taking, self._recording) if task is not None]
        await asyncio.gather(*busy, return_exceptions=True)
        left = [trip for target in self._targets.values() for trip in target.waiting]
        self._targets.clear()
        if self._going:
            _, late = await asyncio.wait(self._going, timeout=grace_s)
            left += [self._going[task] for task in late]
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        now = self._now()
        self._owed += [_untried(trip.delivery, now) for trip in left if not trip.over]
        with contextlib.suppress(StoreFailed):  # they are due again when this host is known to have gone
            await self._settle()

    # Looking

    def _now(self) -> int:
        return int(self._world.clock.now() * US)

    def _plan(self) -> None:
        """Set the timer for the next look."""
        if not self._running or self._taking is not None:
            return
        now = self._world.clock.monotonic()
        wait_s = self.options.look_s
        if self._wanted:
            wait_s = 0.0 if self.in_hand < self.options.in_hand else FULL_S
        elif self._due:
            wait_s = min(wait_s, self._due[0] - now)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._world.call_later(max(wait_s, self._not_before - now, 0.0), self._look)

    def _look(self) -> None:
        self._wanted = False
        now = self._world.clock.monotonic()
        while self._due and self._due[0] <= now:
            heapq.heappop(self._due)
        self._taking = asyncio.ensure_future(self._take())
        self._taking.add_done_callback(self._looked)

    def _looked(self, done: asyncio.Task[None]) -> None:
        self._taking = None
        if not done.cancelled() and (error := done.exception()) is not None:
            self._not_before = self._world.clock.monotonic() + TROUBLE_S
            if not isinstance(error, StoreFailed):  # of which whoever runs tasks tells
                self._note(f"deliveries cannot be made now: {type(error).__name__}: {error}")
        self._plan()

    async def _take(self) -> None:
        """Record what is owed, and take what there is room for. Raises `StoreFailed`."""
        self._thin()
        await self._settle()
        room = self.options.in_hand - self.in_hand - len(self._owed)
        if room <= 0:
            self._wanted = True
            return
        found = await self._store.deliveries(self._runner(), room, self._now())
        if len(found) == room:
            self._wanted = True
        elif not found:
            self._not_before = self._world.clock.monotonic() + SOON_S
        for delivery in found:
            self._place(delivery)
        await self._settle()

    def _place(self, delivery: Delivery) -> None:
        """Have a delivery go out, or wait for its target, or come back when that may have room."""
        if not self._running:
            self._owed.append(_untried(delivery, self._now()))
            return
        try:
            callback = load(delivery.target)
        except CallbackError as error:
            self._owed.append(self._judged(delivery, Verdict(str(error), gone=True)))
            return
        target = self._targets.setdefault(callback.origin, _Target())
        trip = _Trip(delivery, callback, target)
        if len(target.going) < self.options.share:
            self._go(trip)
        elif len(target.waiting) < self._line(target):
            target.waiting.append(trip)
        else:
            self._postpone(trip)

    def _line(self, target: _Target) -> float:
        """How many may wait here for a target."""
        return self.options.share * self.options.line_s / target.takes_s(self._world.clock.monotonic())

    def _postpone(self, trip: _Trip) -> None:
        """Give a delivery back, for when its target may have come to it."""
        target = trip.target
        target.crowd += 1
        takes_s = target.takes_s(self._world.clock.monotonic())
        turn_s = min(self.options.line_s + target.crowd * takes_s / self.options.share, CROWD_S_MAX)
        self._owed.append(_untried(trip.delivery, self._now() + int(turn_s * US)))
        self._remind(turn_s)
        self.counts["postponed"] += 1

    def _thin(self) -> None:
        """Give back what waits here for targets that have become slow."""
        for target in self._targets.values():
            line = self._line(target)
            while len(target.waiting) > line:
                self._postpone(target.waiting.pop())

    def _go(self, trip: _Trip) -> None:
        trip.target.going[trip] = self._world.clock.monotonic()
        task = asyncio.ensure_future(self._deliver(trip))
        self._going[task] = trip
        task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        """Go on with what waited for a delivery to end."""
        trip = self._going.pop(task)
        target = trip.target
        target.going.pop(trip, None)
        if not self._running:
            return
        if target.waiting:
            self._go(target.waiting.popleft())
        elif not target.going:
            self._targets.pop(trip.callback.origin, None)
        if self._recording is None:
            self._recording = asyncio.ensure_future(self._record())
        if self._wanted and self.in_hand <= self.options.in_hand // 2:
            self.poke()

    async def _record(self) -> None:
        """Record what is owed, while others are on their way; what ends meanwhile goes together."""
        try:
            await self._settle()
        except StoreFailed:
            self.poke()  # it stays owed
        finally:
            self._recording = None

    async def _deliver(self, trip: _Trip) -> None:
        clock, delivery, target = self._world.clock, trip.delivery, trip.target
        began = clock.monotonic()
        try:
            verdict = await self._carry(trip.callback, self._compose(delivery, self._now()))
        except Exception as error:  # noqa: BLE001 - a message that cannot be made or carried is not to stop the others
            verdict = Verdict(f"{type(error).__name__}: {error}")
        target.took_s += (clock.monotonic() - began - target.took_s) / 4
        target.crowd = 0
        self._owed.append(self._judged(delivery, verdict))
        trip.over = True

    def _judged(self, delivery: Delivery, verdict: Verdict) -> Delivered:
        """What is recorded of an attempt."""
        if not verdict.why:
            self.counts["delivered"] += 1
            return Delivered(delivery.id, delivery.token, done=True)
        if verdict.gone or delivery.number >= self.options.attempts_max:
            self.counts["dead"] += 1
            self._note(
                f"the end of task {delivery.task.id} is not told any more, after {delivery.number} "
                f"attempt{'' if delivery.number == 1 else 's'}: {verdict.why}"
            )
            return Delivered(delivery.id, delivery.token, dead=True, fault=verdict.why)
        self.counts["failed"] += 1
        pause_s = self._pause_s(delivery.number, verdict.retry_after_s)
        due_at = self._now() + int(pause_s * US)
        self._remind(pause_s)
        return Delivered(delivery.id, delivery.token, due_at=due_at, fault=verdict.why)

    def _pause_s(self, number: int, retry_after_s: float) -> float:
        """Growing, and to half by chance, so that what failed together does not come back together."""
        options = self.options
        bound_s = min(options.pause_s * GROWTH ** min(number - 1, 32), options.pause_s_max)
        pause_s = bound_s * (1.0 + self._world.random()) / 2
        return max(pause_s, min(retry_after_s, options.pause_s_max))

    def _remind(self, pause_s: float) -> None:
        """Look again when a pause is over, where that is before anybody would."""
        if pause_s < self.options.look_s:
            at = self._world.clock.monotonic() + pause_s
            heapq.heappush(self._due, at)
            if self._due[0] == at:
                self._plan()

    async def _settle(self) -> None:
        """Record what is owed. Raises `StoreFailed`; it stays owed then."""
        while self._owed:
            owed, self._owed = self._owed, []
            try:
                await self._store.delivered(owed)
            except BaseException:
                self._owed = owed + self._owed
                raise


def _untried(delivery: Delivery, due_at: int) -> Delivered:
    return Delivered(delivery.id, delivery.token, due_at=due_at, fault=delivery.fault, tried=False)
