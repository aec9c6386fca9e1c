"""Calls of a function that takes a list, gathered into one; each caller gets its own part of the result.

Adaptive batching as in Clipper (Crankshaw et al., NSDI 2017) and Triton's dynamic batcher: a call waits for others for
no longer than a bound, and goes as soon as there are enough. Items are spliced as the bytes that they came as. Where
one bad item may have failed the whole, the calls are tried again one by one, so that nobody pays for another's mistake.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from dragoman.contract.batch import fits, list_of
from dragoman.contract.codecs.splice import SPLICERS, Part, Result, Splicer, Torn
from dragoman.contract.function import ContractError
from dragoman.core.call import Call, Codec, Reply, Ties
from dragoman.core.deadline import NEVER
from dragoman.core.fault import Cancelled, Code, DeadlineExceeded, Fault, Internal, Started
from dragoman.core.problem import from_problem
from dragoman.core.service import Pending, settle
from dragoman.policies.sharing import twin

if TYPE_CHECKING:
    from dragoman.contract.function import Contract
    from dragoman.core.clock import Timer
    from dragoman.core.service import Service
    from dragoman.policies.surroundings import Surroundings

__all__ = ["Batch", "BatchOptions", "fits"]

OPEN_MAX = 256
"""Batches that gather at a time, one for each way in which calls differ beside their items. Where there are more, calls
have too little in common for gathering: they go by themselves."""
CALL_BYTES_MAX = 256 * 1024
BYTES_MAX = 1024 * 1024
"""A body up to the first is gathered, a merged one goes at the second: copying more costs what the gathering saves, and
a frame of a megabyte is taken by every worker, whatever its source's `body_max`."""

Key: TypeAlias = tuple[Codec, Codec, bool, bytes]


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """At most `items_max` items go in one call, which waits for `delay_s` seconds from its first item on."""

    items_max: int = 64
    delay_s: float = 0.002


class Batch:
    """Gathers the calls of one function.

    Calls go together whose input differs in the items only, and which name the same codecs. One that has `items_max`
    items by itself, a body of more than 256 KB, or a stream, goes by itself, and so does one without any item.
    """

    def __init__(self, options: BatchOptions, surroundings: Surroundings, contract: Contract) -> None:
        """Raises `ContractError` where calls of the function cannot be gathered."""
        if reason := fits(contract):
            message = f"{contract.name}: its calls cannot be gathered (batch): {reason}"
            raise ContractError(message)
        self.options = options
        self.surroundings = surroundings
        self.counts = {"gathered": 0, "alone": 0, "sent": 0, "split": 0, "left": 0, "late": 0, "torn": 0}
        self.open: dict[Key, Gathering] = {}
        self.flying = 0
        self.items = list_of(contract)
        self.splicers: Mapping[Codec, Splicer] = {codec: make(self.items) for codec, make in SPLICERS.items()}

    def suits(self, contract: Contract) -> bool:
        """Whether it can go on with a function that has this contract now."""
        return not fits(contract) and list_of(contract) == self.items

    def state(self) -> Mapping[str, object]:
        """Calls that wait for others, batches that gather, and those that are on their way."""
        waiting = sum(len(gathering.waiting) for gathering in self.open.values())
        return {"waiting": waiting, "open": len(self.open), "in_flight": self.flying}

    def __call__(self, service: Service, /) -> Service:
        """Gather calls of `service`."""
        splicers, options, open_, counts = self.splicers, self.options, self.open, self.counts
        items_max = options.items_max

        def gathered(call: Call) -> Awaitable[Reply]:
            part = None
            splicer = splicers.get(call.codec)
            body = call.body
            if splicer is not None and type(body) is bytes and len(body) <= CALL_BYTES_MAX and may_join(call):
                part = splicer.take(body)
            if part is None or splicer is None:
                counts["alone"] += 1
                return service(call)
            if not 0 < part.size < items_max:
                counts["alone"] += 1
                return self.checked(settle(service(call)), call, part.size)
            key = call.codec, call.reply_codec, call.ties is None, part.rest
            gathering = open_.get(key)
            if gathering is not None and not gathering.takes(call, part, service):
                gathering.go()
                gathering = None
            if gathering is None:
                if len(open_) >= OPEN_MAX or self.is_urgent(call):
                    counts["alone"] += 1
                    return self.checked(settle(service(call)), call, part.size)
                gathering = open_[key] = Gathering(self, key, splicer, service)
            counts["gathered"] += 1
            return gathering.join(call, part)

        return gathered

    def checked(self, pending: Pending, call: Call, items: int) -> Pending:
        """The reply of a call that is run by itself, if it has as many items as came."""

        def check(settled: Pending) -> None:
            if settled.reply is None:
                return
            try:
                result_of(settled.reply, items)
            except Torn as torn:
                settled.hold()
                settled.release(self.torn(torn, items, call))

        pending.then(check)
        return pending

    def torn(self, torn: Torn, items: int, call: Call) -> Fault:
        """What callers hear of a function that does not keep to what gathering asks of it."""
        self.counts["torn"] += 1
        name = call.target.name
        detail = f"{name} gave {torn} for {items} items; calls of it are gathered (batch), so it must give one for each"
        return Internal(detail, started=Started.YES, function=name)

    def is_urgent(self, call: Call) -> bool:
        """Whether a call has no time to wait for others."""
        deadline = call.deadline
        return deadline != NEVER and deadline - self.surroundings.clock.monotonic() <= 2 * self.options.delay_s


def may_join(call: Call) -> bool:
    """Whether a call may go with others, as far as can be told without its body."""
    return call.input is None and not call.target.streaming and (not call.reply_codec or call.reply_codec in SPLICERS)


class Waiting(Pending):
    """The reply of one of the gathered calls: its items begin `at` a place of the list that they are sent in.

    `attempt` is there where the call is run by itself in the end.
    """

    __slots__ = ("at", "attempt", "call", "gathering", "part")

    def __init__(self, call: Call, part: Part, gathering: Gathering) -> None:
        super().__init__()
        self.call = call
        self.part = part
        self.gathering = gathering
        self.at = 0
        self.attempt: Pending | None = None

    def cancel(self) -> None:
        """Its caller leaves: nobody else notices."""
        if self.held:
            super().cancel()
        elif self.reply is None and self.fault is None:
            self.cancelled = True
            if self.attempt is not None:
                self.attempt.cancel()
            else:
                self.gathering.leave(self)

    def follow(self, attempt: Pending) -> None:
        """Take the outcome of a call that is run by itself."""
        self.attempt = self.gathering.layer.checked(attempt, self.call, self.part.size)
        self.attempt.then(self._ended)

    def _ended(self, attempt: Pending) -> None:
        if attempt.fault is not None:
            self.fail(attempt.fault)
        elif attempt.reply is not None:
            self.resolve(attempt.reply)


class Gathering:
    """Calls that wait to go as one, and then are on their way."""

    __slots__ = (
        "alarm",
        "bytes",
        "items",
        "key",
        "layer",
        "merged",
        "pending",
        "service",
        "splicer",
        "waiting",
    )

    def __init__(self, layer: Batch, key: Key, splicer: Splicer, service: Service) -> None:
        self.layer = layer
        self.key = key
        self.splicer = splicer
        self.service = service
        self.waiting: dict[Waiting, None] = {}
        self.items = 0
        self.bytes = len(key[-1])
        self.merged: Call | None = None
        self.pending: Pending | None = None
        # Until it goes, the moment to do so; then the deadline of whoever has least time.
        self.alarm: Timer | None = layer.surroundings.call_later(layer.options.delay_s, self.go)

    def takes(self, call: Call, part: Part, service: Service) -> bool:
        """Whether a call fits in, and the ones here are of the same function, which a reload may have changed."""
        first = next(iter(self.waiting)).call
        room = self.items + part.size <= self.layer.options.items_max and self.bytes + len(part.items) <= BYTES_MAX
        return room and first.target is call.target and self.service is service and not self.layer.is_urgent(call)

    def join(self, call: Call, part: Part) -> Pending:
        """Wait with the others."""
        waiting = Waiting(call, part, self)
        self.waiting[waiting] = None
        self.items += part.size
        self.bytes += len(part.items) + 1
        if self.items >= self.layer.options.items_max:
            self.go()
        return waiting

    def leave(self, waiting: Waiting) -> None:
        """Take a call out that is cancelled: before the others go, and after that its part of the answer is dropped."""
        if waiting not in self.waiting:
            return  # the answer is here, and its part of it on the way
        self.layer.counts["left"] += 1
        name = waiting.call.target.name
        started = Started.NO if self.merged is None else Started.UNKNOWN
        self._drop(waiting, Cancelled("the call was cancelled", started=started, function=name))

    def go(self) -> None:
        """Send what has been gathered."""
        layer = self.layer
        self._stop_alarm()
        del layer.open[self.key]
        if len(self.waiting) == 1:
            (waiting,) = self.waiting
            self._send_alone(waiting)
            return
        at = 0
        for waiting in self.waiting:
            waiting.at = at
            at += waiting.part.size
        self.items = at
        layer.counts["sent"] += 1
        layer.flying += 1
        calls = [waiting.call for waiting in self.waiting]
        self.merged = merged = self._merge(calls)
        now = layer.surroundings.clock.monotonic()
        for call in calls:
            call.hand_over(now)
        self._watch()
        pending = self.pending = settle(self.service(merged))
        if merged.ties is not None:
            for call in calls:
                if call.ties is not None:
                    call.ties.place = merged.ties.place
        pending.then(self._settled)

    def _merge(self, calls: list[Call]) -> Call:
        """The one call: as important as the most important of them, with the time of the one that has most."""
        first = calls[0]
        body = self.splicer.put([waiting.part for waiting in self.waiting])
        next_id = self.layer.surroundings.next_id
        merged = Call(first.target, body, first.codec, first.reply_codec, id=next_id(), arrived_at=first.arrived_at)
        merged.deadline = max(call.deadline for call in calls)
        merged.priority = min(call.priority for call in calls)
        merged.depth = max(call.depth for call in calls)
        merged.trace, merged.caller, merged.public_id = first.trace, first.caller, first.public_id
        merged.merged = len(calls)
        if first.ties is not None:
            merged.ties = Ties(first.ties.caller)
        for call in calls:
            merged.ordeal, call.ordeal = merged.ordeal or call.ordeal, None
        return merged

    def _watch(self) -> None:
        """See to it that each caller waits no longer than its own deadline; the latest is the merged call's."""
        assert self.merged is not None
        latest = self.merged.deadline
        earliest = min((waiting.call.deadline for waiting in self.waiting), default=NEVER)
        if earliest < latest:
            surroundings = self.layer.surroundings
            remaining_s = max(earliest - surroundings.clock.monotonic(), 0.0)
            self.alarm = surroundings.call_later(remaining_s, self._expire)

    def _expire(self) -> None:
        assert self.merged is not None
        self.alarm = None
        now = self.layer.surroundings.clock.monotonic()
        begun = Started.UNKNOWN if self.merged.dispatched_at else Started.NO
        for waiting in [waiting for waiting in self.waiting if waiting.call.deadline <= now]:
            call = waiting.call
            self.layer.counts["late"] += 1
            detail = f"{call.target.name} ran past its {call.deadline - call.arrived_at:g}s timeout"
            self._drop(waiting, DeadlineExceeded(detail, started=begun, function=call.target.name))
        if self.waiting:
            self._watch()

    def _drop(self, waiting: Waiting, fault: Fault) -> None:
        """Answer one caller early; whom nobody waits for any more is not sent, or stopped."""
        del self.waiting[waiting]
        if self.merged is None:
            self.items -= waiting.part.size
            self.bytes -= len(waiting.part.items) + 1
        if not self.waiting:
            self._stop_alarm()
            if self.merged is None:
                del self.layer.open[self.key]
            elif self.pending is not None:
                self.pending.cancel()
        waiting.fail(fault)

    def _stop_alarm(self) -> None:
        if self.alarm is not None:
            self.alarm.cancel()
            self.alarm = None

    def _settled(self, pending: Pending) -> None:
        self.layer.flying -= 1
        self._stop_alarm()
        waiting, self.waiting = self.waiting, {}
        if pending.fault is not None:
            self._fail(list(waiting), pending.fault)
        elif pending.reply is not None and waiting:
            self._share(list(waiting), pending.reply)

    def _fail(self, all_waiting: list[Waiting], fault: Fault) -> None:
        """Tell all, or find out one by one whose the fault is."""
        assert self.merged is not None
        if all_waiting and is_of_one(fault, self.merged):
            self.layer.counts["split"] += 1
            for waiting in all_waiting:
                if waiting.cancelled:  # meanwhile: another's answer may have that effect
                    name = waiting.call.target.name
                    waiting.fail(Cancelled("the call was cancelled", started=Started.NO, function=name))
                else:
                    self._send_alone(waiting)
            return
        for waiting in all_waiting:
            waiting.fail(twin(fault))

    def _send_alone(self, waiting: Waiting) -> None:
        waiting.call.dispatched_at = 0.0
        waiting.follow(settle(self.service(waiting.call)))

    def _share(self, all_waiting: list[Waiting], reply: Reply) -> None:
        """Give each its own part of the answer."""
        merged = self.merged
        assert merged is not None
        try:
            result = result_of(reply, self.items)
        except Torn as torn:
            for waiting in all_waiting:
                waiting.fail(self.layer.torn(torn, self.items, waiting.call))
            return
        for waiting in all_waiting:
            start, stop = waiting.at, waiting.at + waiting.part.size
            failed = [index for index in range(start, stop) if index in result.faults] if result.faults else ()
            if failed:
                waiting.fail(fault_from(result.faults[failed[0]], merged.target.name))
            else:
                queue_s = merged.dispatched_at - waiting.call.arrived_at
                waiting.resolve(Reply(result.cut(start, stop), reply.codec, None, queue_s, reply.run_s))


def result_of(reply: Reply, items: int) -> Result:
    """The result for so many items, ready to be cut. Raises `Torn` where it is none."""
    if reply.items is not None or reply.codec not in SPLICERS:
        raise Torn("something that is no list")
    result = Result(reply.body, reply.codec)
    if len(result) != items:
        raise Torn(f"a list of {len(result)}")
    return result


def is_of_one(fault: Fault, merged: Call) -> bool:
    """Whether a fault may be of one caller's making, and running each call by itself does no harm."""
    if fault.started is Started.NO:
        return fault.code is Code.INVALID_ARGUMENT
    return merged.target.idempotent and fault.code not in {Code.CANCELLED, Code.DEADLINE_EXCEEDED}


def fault_from(document: Mapping[str, Any], function: str) -> Fault:
    """The fault that a function returned in place of an item."""
    retry_after_s: object = document.get("retry_after_s")
    fault = from_problem(document, retry_after_s=retry_after_s if isinstance(retry_after_s, float) else None)
    fault.started, fault.function, fault.remote = Started.YES, function, False
    return fault
