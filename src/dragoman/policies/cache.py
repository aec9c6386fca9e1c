"""Answers of idempotent functions, kept: in memory, and in a store that hosts share.

How long an answer is good for follows RFC 9111 and RFC 5861: fresh for a while; then stale but given, while it is
computed anew in the background; then given only where it cannot be. Who asks for what is being computed waits for that
(`policies.flight`): a cold key is computed once, however many ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dragoman.core.call import Codec, Priority, Reply
from dragoman.core.fault import Code, Fault, Started
from dragoman.core.service import Pending, settle
from dragoman.policies.flight import Flights, Rules
from dragoman.policies.key import REPLIES, Keys
from dragoman.policies.memory import Kept, Memory, Spans
from dragoman.policies.shared import Shared
from dragoman.policies.sharing import twin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from dragoman.core.call import Call
    from dragoman.core.service import Service
    from dragoman.core.target import Target
    from dragoman.policies.shared import Store
    from dragoman.policies.surroundings import Surroundings

WAITING_MAX = 100_000
"""Callers that wait for one answer; a bound where there are more than connections is none that anybody meets."""
REFRESHES_MAX = 100
"""Answers computed anew in the background at a time; what is more waits for its next caller."""
REFRESH_PAUSE_S = 1.0
"""An answer that could not be computed anew in the background is left as it is for so long."""
NEGATIVE = frozenset({Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.FAILED_PRECONDITION, Code.OUT_OF_RANGE})
"""Faults that the same input brings about again."""
CALLERS = NEGATIVE | {Code.CANCELLED, Code.ALREADY_EXISTS, Code.PERMISSION_DENIED, Code.UNAUTHENTICATED}
"""Faults of the caller's making: an older answer would hide them."""


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """How long answers are kept, and where.

    Seconds: an answer is given for `ttl_s`; for `stale_s` more while it is computed anew; for `stale_if_error_s`
    more where that fails; a fault of the caller's making for `negative_s`. Level 1 holds at most `entries_max` answers
    of `bytes_max` bytes in all. `key` names the properties of the input that make the key, all where empty; `tags` are
    names to invalidate by. `shared` has a second level.
    """

    ttl_s: float = 60.0
    stale_s: float = 0.0
    stale_if_error_s: float = 0.0
    negative_s: float = 0.0
    entries_max: int = 10_000
    bytes_max: int = 64 * 1024 * 1024
    key: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    shared: bool = False


class Cache:
    """The layer of one function.

    Calls that give a stream, or take one, those with the largest bodies, and those of functions that are not idempotent
    pass through. A call that is `fresh` is computed anew, and its answer kept. Replies say how old they are
    (`Reply.cached`).
    """

    def __init__(
        self,
        options: CacheOptions,
        surroundings: Surroundings,
        store: Store | None = None,
        target: Target | None = None,
    ) -> None:
        """`store` is the second level, where options ask for one. `target` is told by the first call, if not here.

        Without a target nothing can be invalidated before the first call.
        """
        self.options = options
        self._surroundings = surroundings
        self._now = surroundings.clock.monotonic
        self._keys = Keys(options.key)
        self._store = store if options.shared else None
        # With a second level more is to be done with an answer than to keep it.
        keep = self._keep if self._store is None else None
        self._flights = Flights(surroundings, Rules(WAITING_MAX, partial=bool(options.key)), keep)
        self._memory = Memory(options.entries_max, options.bytes_max)
        self._spans = Spans(options.ttl_s, options.stale_s, options.stale_if_error_s)
        self._shared: Shared | None = None
        self._target = target
        self._latest: Target | None = None
        self._epoch = 0
        self._refreshing: set[bytes] = set()
        self._counts = dict.fromkeys(
            ("hit", "stale", "negative", "rescued", "miss", "passed", "refreshed", "invalidated"), 0
        )
        if target is not None:
            self._share(target)

    @property
    def counts(self) -> Mapping[str, int]:
        """Calls answered from memory (fresh, stale, a fault, an older answer instead of a fault), and all others."""
        shared = {} if self._shared is None else {f"shared_{word}": n for word, n in self._shared.counts.items()}
        evicted, joined = self._memory.evicted, self._flights.joined
        return {**self._counts, "computed": self._flights.runs, "joined": joined, "evicted": evicted, **shared}

    def state(self) -> Mapping[str, object]:
        """What is kept, what is being computed, and whether the second level is there."""
        shared = self._shared
        return {
            "entries": len(self._memory.entries),
            "bytes": self._memory.bytes,
            "in_flight": len(self._flights.by_key),
            "waiting": self._flights.waiting,
            "refreshing": len(self._refreshing),
            "shared": None if shared is None else {"up": shared.up, "owed": shared.owed},
        }

    def __call__(self, service: Service) -> Service:
        """Wrap a service."""
        entries, key_of, now = self._memory.entries, self._keys.of, self._now
        touch, counts = entries.move_to_end, self._counts

        def cached(call: Call) -> Awaitable[Reply]:
            target = call.target
            if not target.idempotent or target.streaming or call.input is not None:
                return self._pass(call, service)
            key = key_of(call)
            kept = entries.get(key)
            if kept is None or call.fresh:
                return self._miss(call, key, service) if key else self._pass(call, service)
            moment = now()
            if moment >= kept.fresh_until:
                return self._not_fresh(call, key, kept, service)
            touch(key)
            if kept.fault is not None:
                counts["negative"] += 1
                return Pending.failed(again(kept.fault))
            counts["hit"] += 1
            pending = Pending()
            pending.reply = kept.reply(moment)
            return pending

        return cached

    def invalidate(self, input: bytes | None = None, tag: str | None = None, codec: Codec = Codec.JSON) -> int:  # noqa: A002 - the public word for what a function is given
        """Forget the answer to an input, or all answers: of the function, or if it has a `tag`. On all hosts.

        Calls from now on are answered by what begins from now on. Other hosts hear of it at once, those that were away
        when they are back. Call it on the loop. Returns how many answers this host had.
        """
        if tag is not None and tag not in self.options.tags:
            return 0
        if input is None or self._target is None:
            if self._shared is not None:
                self._shared.invalidate(None, tag, 0.0)
            return self._drop(None)
        key = self._keys.all_of(self._target, input, codec)[0][:-1]
        if self._shared is not None:
            self._shared.invalidate(key, None, self._spans.whole_s + self._target.timeout_s)
        return self._drop(key)

    def renew(self, target: Target, *, outdated: bool) -> None:
        """Be the cache of another version of the function; what came of the one before is `outdated`, or holds yet.

        Calls that are aimed at the one before may still come. They are run, and their answers are for them alone.
        """
        self._latest = target
        if outdated:
            self.invalidate()

    def close(self) -> None:
        """Hear nothing more of other hosts: the function is gone."""
        if self._shared is not None:
            self._shared.close()

    # What is not there, or not fresh

    def _pass(self, call: Call, service: Service) -> Awaitable[Reply]:
        self._counts["passed"] += 1
        return service(call)

    def _miss(self, call: Call, key: bytes, service: Service) -> Awaitable[Reply]:
        if self._latest is not None and call.target is not self._latest:
            return self._pass(call, service)
        self._counts["miss"] += 1
        if self._target is not call.target:
            self._share(call.target)
        if self._shared is not None:
            self._shared.listen()
        pending = self._flights.join(call, key, service if self._store is None else partial(self._compute, service))
        if self.options.stale_if_error_s and not call.fresh:
            pending.then(partial(self._rescue, key))
        return pending

    def _not_fresh(self, call: Call, key: bytes, kept: Kept, service: Service) -> Awaitable[Reply]:
        now = self._now()
        if kept.fault is None and now < kept.stale_until:
            self._memory.entries.move_to_end(key)
            self._counts["stale"] += 1
            self._refresh(call, key, kept, service)
            pending = Pending()
            pending.reply = kept.reply(now)
            return pending
        if kept.fault is not None or now >= kept.dead_at:
            self._memory.drop((key,))
        return self._miss(call, key, service)

    def _rescue(self, key: bytes, pending: Pending) -> None:
        """Give an older answer instead of a fault that is not the caller's."""
        fault = pending.fault
        if fault is None or fault.code in CALLERS or pending.cancelled:
            return
        kept = self._memory.entries.get(key)
        now = self._now()
        if kept is not None and kept.fault is None and now < kept.dead_at:
            self._counts["rescued"] += 1
            pending.hold()
            pending.release(kept.reply(now))

    def _refresh(self, call: Call, key: bytes, kept: Kept, service: Service) -> None:
        """Compute an answer anew in the background, once; nobody who goes away stops it."""
        now = self._now()
        if key in self._refreshing or now < kept.pause_until or len(self._refreshing) >= REFRESHES_MAX:
            return
        if self._latest is not None and call.target is not self._latest:
            return
        self._refreshing.add(key)
        work = call.again(self._surroundings.next_id())
        work.arrived_at = now
        work.deadline = now + call.target.timeout_s
        # Of those for whom somebody waits none is to wait for this.
        work.priority = max(call.priority, Priority.NORMAL)
        work.on_event = work.ties = work.trace = None

        def refreshed(pending: Pending) -> None:
            self._refreshing.discard(key)
            self._counts["refreshed"] += 1
            if pending.fault is not None:
                kept.pause_until = self._now() + REFRESH_PAUSE_S

        try:
            pending = self._flights.join(work, key, service if self._store is None else partial(self._compute, service))
        except Exception as error:  # noqa: BLE001 - its caller has an answer already
            pending = Pending.failed(Fault.internal(f"the host failed to run the call: {error!r}"))
        pending.then(refreshed)

    # Computing

    def _compute(self, service: Service, call: Call) -> Awaitable[Reply]:
        """Have a call run, for all who wait for it, and keep its answer, here and where all hosts find it."""
        key, epoch = self._keys.of(call), self._epoch
        if self._shared is not None and self._shared.up:
            return self._through(self._shared, service, call, key)
        pending = settle(service(call))

        def landed(pending: Pending) -> None:
            if epoch == self._epoch:
                self._keep(key, pending)

        pending.then(landed)
        return pending

    async def _through(self, shared: Shared, service: Service, call: Call, key: bytes) -> Reply:
        """As `_compute`, where another host may have the answer."""
        epoch = self._epoch
        found = await shared.look(key, self._spans_of)
        kept = found.kept
        if kept is not None and epoch == self._epoch and not call.fresh:
            now = self._now()
            if now < kept.dead_at:
                self._memory.put(key, kept)
            if kept.fault is not None and now < kept.fresh_until:
                raise again(kept.fault)
            if now < (kept.fresh_until if key in self._refreshing else kept.stale_until):
                return kept.reply(now)
        epoch = self._epoch
        pending = settle(service(call))
        try:
            return await pending
        finally:
            if epoch == self._epoch and self._keep(key, pending) and found.marks is not None:
                answer = pending.reply or pending.fault
                assert answer is not None, "what was kept is an answer"
                shared.write(key, answer, found.marks, self._spans_of(answer).whole_s)

    def _keep(self, key: bytes, pending: Pending) -> bool:
        """Keep an answer, if it is one to keep, and tell its callers so."""
        reply, fault = pending.reply, pending.fault
        if reply is not None:
            if reply.items is not None:
                return False
            kept = Kept(reply, self._now(), self._spans)
            reply.cached = kept.begun()
            self._memory.put(key, kept)
            return True
        if fault is None or fault.code not in NEGATIVE or (self.options.key and fault.code is Code.INVALID_ARGUMENT):
            return False  # with a key of its own, what is invalid may be what is not in the key
        if not self.options.negative_s:
            self._memory.drop((key,))  # there is another answer now, if not one to keep
            return False
        self._memory.put(key, Kept(twin(fault), self._now(), self._spans_of(fault)))
        return True

    def _spans_of(self, answer: Reply | Fault) -> Spans:
        return self._spans if isinstance(answer, Reply) else Spans(self.options.negative_s)

    # Invalidation

    def _share(self, target: Target) -> None:
        self._target = target
        if self._store is not None and self._shared is None:
            self._shared = Shared(self._store, target.name, self.options.tags, self._surroundings, self._drop)

    def _drop(self, key: bytes | None) -> int:
        """Forget a key, without its codec, or everything; what is being computed is for those who wait for it alone."""
        self._epoch += 1
        keys = None if key is None else [key + reply for reply in REPLIES]
        self._flights.forget(keys)
        count = self._memory.clear() if keys is None else self._memory.drop(keys)
        self._counts["invalidated"] += count
        return count


def again(fault: Fault) -> Fault:
    """A fault that was kept, for one more caller: for this one the function has not begun."""
    other = twin(fault)
    other.started = Started.NO
    return other
