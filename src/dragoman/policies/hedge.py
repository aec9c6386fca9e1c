"""A second attempt for a call that takes longer than most: whichever answers first wins, the other is cancelled.

After Dean and Barroso, *The Tail at Scale* (CACM 56:2, 2013): a second call after the 95th percentile costs a few
percent more work and takes most of the tail away. Only for idempotent functions, and never for a stream.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dragoman.core.service import Pending, settle
from dragoman.policies.attempt import another, attempt
from dragoman.policies.budget import Budget
from dragoman.policies.sketch import RECENT, Sketch
from dragoman.policies.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from dragoman.core.call import Call, Reply
    from dragoman.core.clock import Timer
    from dragoman.core.service import Service

SAMPLES_MIN = 40
"""Nothing is hedged before so many calls have ended: what is long is not known yet."""
LEARN_CALLS = 32
"""The percentile is taken anew after so many samples: it costs some microseconds."""
SAMPLE = 8
"""One in about so many calls, at random, is a sample, once there are enough to know a percentile at all."""
ROUNDING_S = 1e-9
"""A timer that rings when it was told to may find the sum of two floats a little short."""


@dataclass(frozen=True, slots=True)
class HedgeOptions:
    """When a second attempt begins.

    The second attempt begins where a call takes longer than `percentile` percent of the calls before it, and no
    sooner than `delay_min_s` seconds. `budget` is the share of calls that may have one.
    """

    percentile: float = 95.0
    delay_min_s: float = 0.001
    budget: float = 0.05


class Hedge:
    """The layer. The first good answer wins, a fault of one attempt waits for the other, and of two the first stands.

    One timer serves all calls, which come due in the order in which they came.
    """

    reads_bodies: ClassVar[bool] = False

    def __init__(self, options: HedgeOptions | None = None, surroundings: Surroundings | None = None) -> None:
        self.options = options or HedgeOptions()
        self.surroundings = surroundings or Surroundings.here()
        self.budget = Budget(self.options.budget, self.surroundings.clock)
        self.counts = {"hedged": 0, "won": 0, "budget_empty": 0}
        self._monotonic = self.surroundings.clock.monotonic
        self._sketch = Sketch()
        beyond = max(100 - self.options.percentile, 0.1) / 100
        self._samples_min = min(max(SAMPLES_MIN, round(2 / beyond)), RECENT // 2)
        self._until_learnt = self._samples_min
        self.skip = 0
        """Calls until the next sample."""
        self._delay_s: float | None = None
        self._line: deque[Race] = deque()
        self._timer: Timer | None = None

    def state(self) -> dict[str, object]:
        """After how many seconds a second attempt begins (None: too little is known), and the tokens of the budget."""
        delay_s = None if self._delay_s is None else round(self._delay_s, 6)
        watched = sum(race.first is not None for race in self._line)
        return {"delay_s": delay_s, "tokens": round(self.budget.tokens, 3), "watched": watched}

    def __call__(self, service: Service, /) -> Service:
        """Wrap a service."""
        budget, monotonic, line, learn = self.budget, self._monotonic, self._line, self.learn

        def hedged(call: Call) -> Awaitable[Reply]:
            target = call.target
            if not target.idempotent or target.streaming or call.input is not None:
                return service(call)
            budget.calls += 1
            began_at = monotonic()
            answer = service(call)
            first = answer if isinstance(answer, Pending) else settle(answer)
            if self._delay_s is None or first.done:
                first.then(lambda settled: settled.reply is not None and learn(began_at))
                return first
            while line and line[0].first is None:
                line.popleft()
            race = Race(self, service, call, first, began_at)
            line.append(race)
            if self._timer is None:
                self._timer = self.surroundings.call_later(self._delay_s, self._ring)
            first.then(race.first_ended)
            return first

        return hedged

    def learn(self, began_at: float) -> None:
        """A call that began then was answered well just now, or would have been later than now."""
        self._sketch.add(self._monotonic() - began_at)
        self.skip = int(self.surroundings.random() * 2 * SAMPLE)
        self._until_learnt -= 1
        if self._until_learnt <= 0:
            self._until_learnt = LEARN_CALLS
            self._delay_s = max(self._sketch.percentile(self.options.percentile), self.options.delay_min_s)

    def _ring(self) -> None:
        self._timer = None
        assert self._delay_s is not None, "there is no timer before there is a delay"
        line, now = self._line, self._monotonic()
        due_since = now - self._delay_s + ROUNDING_S
        while line and (line[0].first is None or line[0].began_at <= due_since):
            self._hedge(line.popleft(), now)
        if line and self._timer is None:
            self._timer = self.surroundings.call_later(line[0].began_at - due_since + ROUNDING_S, self._ring)

    def _hedge(self, race: Race, now: float) -> None:
        call = race.call
        if race.first is None or call is None or race.first.cancelled or now >= call.deadline:
            return
        if not self.budget.take():
            self.counts["budget_empty"] += 1
            return
        self.counts["hedged"] += 1
        race.begin_second(call)


class Race:
    """A call that may have two attempts. Lets go of the call and its reply once it needs no second one."""

    __slots__ = ("_hedge", "_held", "_second", "_service", "_winner", "began_at", "call", "first")

    def __init__(self, hedge: Hedge, service: Service, call: Call, first: Pending, began_at: float) -> None:
        self._hedge = hedge
        self._service = service
        self._second: Pending | None = None
        self.call: Call | None = call
        self.first: Pending | None = first
        self.began_at = began_at

    def begin_second(self, call: Call) -> None:
        """The first takes long: have another beside it."""
        self._held: Pending | None = None
        self._winner: Reply | None = None
        second = self._second = attempt(self._service, another(call, self._hedge.surroundings))
        second.then(self._second_ended)

    def first_ended(self, first: Pending) -> None:
        """The first attempt has ended, by itself or because the second has won."""
        self.first = self.call = None
        second, hedge = self._second, self._hedge
        if second is None:
            hedge.skip -= 1
            if hedge.skip < 0 and first.reply is not None:
                hedge.learn(self.began_at)
        elif self._winner is not None:
            # Whoever asked for it to be stopped was this layer, and not the caller.
            first.cancelled = False
            first.hold()
            first.release(self._winner)
        elif first.reply is not None:
            self._second = None
            self._sample()
            second.cancel()
        elif first.cancelled:
            second.cancel()
        elif not second.done:
            first.hold()
            first.on_cancel = second.cancel
            self._held = first

    def _second_ended(self, second: Pending) -> None:
        first, held = self.first, self._held
        if held is not None:  # the first has failed
            assert held.fault is not None, "what is held here is a fault"
            self._won(second)
            held.release(second.reply or held.fault)
        elif first is not None and second.reply is not None and not first.cancelled:
            self._won(second)
            self._winner = second.reply
            first.cancel()
            if self.first is not None:
                # It takes its time to stop. The answer does not wait for that.
                first.cancelled = False
                first.resolve(second.reply)

    def _won(self, second: Pending) -> None:
        if second.reply is not None:
            self._hedge.counts["won"] += 1
            # The first would have taken longer than this: left out, calls that are slow would seem to be rare.
            self._sample()

    def _sample(self) -> None:
        hedge = self._hedge
        hedge.skip -= 1
        if hedge.skip < 0:
            hedge.learn(self.began_at)
