"""Calls with the same idempotency key run once: who repeats one gets the first answer again.

The header is that of draft-ietf-httpapi-idempotency-key-header: another body under a known key is refused. Where the
draft answers 409 to who repeats a call that still runs, here that caller waits for the answer; 409 (`ABORTED`) is left
for who cannot. A key is its caller's own, and its function's.

A call with a key goes on when its caller leaves, once it has begun: it is for the repeat to have its answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from dragoman.core.call import Reply, callers_of
from dragoman.core.deadline import NEVER
from dragoman.core.draft import whole
from dragoman.core.fault import Aborted, Cancelled, DeadlineExceeded, FailedPrecondition, Fault, Started
from dragoman.core.service import Pending, discard, settle
from dragoman.policies.attempt import begun
from dragoman.policies.ledger import Ledger, Told
from dragoman.policies.pledge import Pledges
from dragoman.policies.sharing import alike, twin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from dragoman.core.call import Call
    from dragoman.core.clock import Timer
    from dragoman.core.service import Service
    from dragoman.policies.ledger import Key
    from dragoman.policies.surroundings import Scripts, Surroundings

WAITING_MAX = 100
"""Repeats of one call that wait for it: a client sends a few, one after the other."""
PRINT_BYTES = 16
ASK_AGAIN_S, ASK_AGAIN_S_MAX = 0.02, 0.5
"""Pauses between looks at what another host has begun: each is twice the one before."""
UNBOUNDED_S = 3600.0
"""How long a call without a deadline may be taken to run."""


@dataclass(frozen=True, slots=True)
class IdempotencyOptions:
    """How long answers are repeated.

    An answer is repeated for `ttl_s` seconds. Memory holds at most `entries_max` of `bytes_max` bytes in all.
    `shared` has all hosts know them.
    """

    ttl_s: float = 3600.0
    entries_max: int = 10_000
    bytes_max: int = 64 * 1024 * 1024
    shared: bool = False


class Idempotency:
    """The layer of one function. Calls without a key pass through.

    Refuses with `FailedPrecondition` a key that stands for another input, or for an answer that was not kept (a
    stream); with `Aborted` a repeat that cannot wait. A fault is repeated like a reply, unless its call never started.
    """

    def __init__(
        self, options: IdempotencyOptions, surroundings: Surroundings, store: Scripts | None = None, name: str = ""
    ) -> None:
        """`store` is where hosts share keys, by the function's `name`, if options ask for it."""
        self.options = options
        self.ledger = Ledger(options.entries_max, options.bytes_max, options.ttl_s)
        self.running: dict[Key, Running] = {}
        self.pledges = Pledges(store, name, options.ttl_s) if store is not None and options.shared else None
        self.now = surroundings.clock.monotonic
        self.call_later = surroundings.call_later
        self._counts = dict.fromkeys(("begun", "repeated", "joined", "refused"), 0)

    def take_over(self, before: Idempotency) -> None:
        """Go on with what a layer of other options knows: what was begun or answered is not run again."""
        options = self.options
        self.ledger, self.running = before.ledger, before.running
        self.ledger.bound(options.entries_max, options.bytes_max, options.ttl_s)

    @property
    def counts(self) -> Mapping[str, int]:
        """Calls with a key: that were the first, that got a kept answer, that waited for one, that were refused."""
        lost = {} if self.pledges is None else {"lost": self.pledges.lost}
        return {**self._counts, "evicted": self.ledger.evicted, **lost}

    def state(self) -> Mapping[str, object]:
        """What is kept, and what runs."""
        shared = None if self.pledges is None else self.pledges.up
        kept, kept_bytes = len(self.ledger), self.ledger.bytes
        return {"entries": kept, "bytes": kept_bytes, "in_flight": len(self.running), "shared": shared}

    def __call__(self, service: Service) -> Service:
        """Wrap a service."""

        def once(call: Call) -> Awaitable[Reply]:
            return service(call) if not call.idempotency_key else self._once(service, call)

        return once

    def _once(self, service: Service, call: Call) -> Pending:
        key, body = (call.caller, call.idempotency_key), fingerprint(call)
        told = self.ledger.find(key, self.now())
        if told is not None:
            return self._repeat(told, body, call)
        running = self.running.get(key)
        if running is not None:
            return self._join(running, body, call)
        self._counts["begun"] += 1
        running = self.running[key] = Running(self, key, body, call, service)
        waiter = running.add(call)
        running.begin()
        return waiter

    def _repeat(self, told: Told, body: bytes, call: Call) -> Pending:
        pending = Pending()
        self.give(pending, told, body, call)
        return pending

    def give(self, pending: Pending, told: Told, body: bytes, call: Call) -> None:
        """Answer a call with what its key stands for."""
        answer = told.answer
        if told.body != body:
            pending.fail(self._other(call))
        elif answer is None:
            pending.fail(self.refusal(call, f"its answer {told.why}"))
        elif isinstance(answer, Reply):
            self._counts["repeated"] += 1
            pending.resolve(alike(answer))
        else:
            self._counts["repeated"] += 1
            pending.fail(twin(answer))

    def _join(self, running: Running, body: bytes, call: Call) -> Pending:
        if running.body != body:
            return Pending.failed(self._other(call))
        if running.streams:
            return Pending.failed(self.refusal(call, "it streams, and a stream is not repeated"))
        why = "so many wait for it already" if len(running.waiters) >= WAITING_MAX else ""
        if call.depth and running.call in callers_of(call):
            why = "it would wait for itself"
        if why:
            self._counts["refused"] += 1
            name = call.target.name
            detail = f"{name} runs already with this idempotency key, and {why}; try again later"
            return Pending.failed(Aborted(detail, started=Started.NO, function=name, retry_after_s=1.0))
        self._counts["joined"] += 1
        return running.add(call, timed=True)

    def _other(self, call: Call) -> Fault:
        return self.refusal(call, "with another input; a key stands for one input")

    def refusal(self, call: Call, why: str) -> Fault:
        """Why a key cannot be used again."""
        self._counts["refused"] += 1
        name = call.target.name
        detail = f"this idempotency key was used for {name} before, and {why}: send a new key for a new call"
        if why.startswith("with"):
            detail = f"this idempotency key was used for {name} before, {why}: send a new key for a new call"
        return FailedPrecondition(detail, started=Started.NO, function=name)


class Waiter(Pending):
    """One caller's wait for the run of its key."""

    __slots__ = ("call", "running", "timer")

    def __init__(self, running: Running, call: Call) -> None:
        super().__init__()
        self.running = running
        self.call = call
        self.timer: Timer | None = None

    def cancel(self) -> None:
        """Leave."""
        if self.held:
            self.cancelled = True
            self.on_cancel()
        elif not self.done:
            self.cancelled = True
            self.running.leave(self, Cancelled(f"{self.call.target.name} was cancelled by its caller"))

    def expire(self) -> None:
        """Leave, since time is up."""
        call = self.call
        name = call.target.name
        detail = f"{name} ran past the {call.deadline - call.arrived_at:g}s timeout of this call"
        self.running.leave(self, DeadlineExceeded(detail, function=name))


class Running:
    """A call that runs, here or on another host, and all who wait for it."""

    def __init__(self, layer: Idempotency, key: Key, body: bytes, call: Call, service: Service) -> None:
        self.body = body
        self.call = call
        self.streams = call.target.streaming or call.input is not None
        self.waiters: dict[Waiter, None] = {}
        self._layer = layer
        self._key = key
        self._service = service
        self._run: Pending | None = None
        self._pause_s = ASK_AGAIN_S
        self._timer: Timer | None = None
        self._over = False

    def add(self, call: Call, *, timed: bool = False) -> Waiter:
        """Have one more wait, until its own deadline where nobody else watches that."""
        waiter = Waiter(self, call)
        self.waiters[waiter] = None
        if timed:
            self._watch(waiter)
        return waiter

    def begin(self) -> None:
        """Run the call, unless another host has begun it."""
        pledges, call = self._layer.pledges, self.call
        if pledges is None:
            self._begun()
            return
        if not pledges.up:
            pledges.lost += 1
            self._begun()
            return
        left_s = call.deadline - self._layer.now() if call.deadline != NEVER else UNBOUNDED_S
        pledges.claim(self._key, self.body, max(left_s, 0.0), self._claimed)

    def leave(self, waiter: Waiter, fault: Fault) -> None:
        """One who waited does not any more. What has not begun is not begun for nobody."""
        self._drop(waiter)
        run, call = self._run, self.call
        fault.started = begun(call)
        fault.function = call.target.name
        if waiter.call is call:
            call.on_event = None
        waiter.fail(fault)
        if self.waiters or self._over:
            return
        if run is None:
            self._end()
        elif self.streams or not call.dispatched_at:
            run.cancel()

    def _claimed(self, told: Told | None) -> None:
        if self._over:
            if told is None and self._layer.pledges is not None:
                self._layer.pledges.release(self._key, self.body)
        elif told is None:
            self._begin_later(self._begun)
        elif told.answer is None and not told.why and told.body == self.body and not self.streams:
            for waiter in self.waiters:
                self._watch(waiter)
            self._timer = self._layer.call_later(self._pause_s, self._ask_again)
            self._pause_s = min(2 * self._pause_s, ASK_AGAIN_S_MAX)
        else:
            self._told(
                told if told.answer or told.why else Told(told.body, None, "is a stream that another host begins")
            )

    def _ask_again(self) -> None:
        self._timer = None
        self._begin_later(self.begin)

    def _begin_later(self, begin: Callable[[], None]) -> None:
        try:
            begin()
        except Exception as error:  # noqa: BLE001 - nobody is here to raise it to but those who wait
            for waiter in list(self.waiters):
                waiter.fail(Fault.internal(f"the host failed to run the call: {error!r}"))
            self._end()

    def _begun(self) -> None:
        try:
            self._run = run = settle(self._service(self.call))
        except BaseException:
            if self._layer.pledges is not None:
                self._layer.pledges.release(self._key, self.body)
            self._layer.running.pop(self._key, None)
            raise
        run.then(self._ran)

    def _ran(self, run: Pending) -> None:
        reply, fault = run.reply, run.fault
        pledges = self._layer.pledges
        if fault is not None and fault.started is Started.NO:
            if pledges is not None:
                pledges.release(self._key, self.body)
            self._settle(Told(self.body, fault), fault)
            return
        if reply is not None and reply.items is not None:
            told = Told(self.body, None, "was a stream, which is not kept")
        elif reply is not None:
            told = Told(self.body, Reply(bytes(reply.body), reply.codec))
        else:
            told = Told(self.body, fault if fault is None else twin(fault))
        self._layer.ledger.write(self._key, told, self._layer.now())
        if pledges is not None:
            pledges.settle(self._key, told)
        self._settle(told, reply or fault)

    def _told(self, told: Told) -> None:
        """Another host knows the answer."""
        if told.body == self.body and told.answer is not None:
            self._layer.ledger.write(self._key, told, self._layer.now())
        self._settle(told, None)

    def _settle(self, told: Told, first: Reply | Fault | None) -> None:
        """Answer all who wait: who began the call with its outcome itself, the others with what is kept of it."""
        waiters = list(self.waiters)
        self._end()
        taken = False
        for waiter in waiters:
            if waiter.call is self.call and first is not None:
                taken = True
                waiter.fail(first) if isinstance(first, Fault) else waiter.resolve(first)
            else:
                self._layer.give(waiter, told, self.body, waiter.call)
        if isinstance(first, Reply) and not taken:
            discard(first)

    def _end(self) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._layer.running.get(self._key) is self:
            del self._layer.running[self._key]
        for waiter in list(self.waiters):
            self._drop(waiter)

    def _watch(self, waiter: Waiter) -> None:
        deadline = waiter.call.deadline
        if waiter.timer is None and deadline != NEVER:
            waiter.timer = self._layer.call_later(max(deadline - self._layer.now(), 0.0), waiter.expire)

    def _drop(self, waiter: Waiter) -> None:
        self.waiters.pop(waiter, None)
        if waiter.timer is not None:
            waiter.timer.cancel()


def fingerprint(call: Call) -> bytes:
    """What tells one input from another. The call's body is bytes of its own from now on."""
    if type(call.body) is not bytes:
        # What lies in a caller's memory may change, and goes when the caller does.
        call.body = bytes(whole(call.body))
    print_ = blake2b(call.body, digest_size=PRINT_BYTES)
    print_.update(bytes((call.codec,)))
    return print_.digest()
