"""The deadline of a call whose service does not watch it by itself: what runs in the host's own process, or elsewhere.

Its caller is answered in time, whether or not the service heeds that it is cancelled. The layers within see how the
call really ends: a place in a bulkhead is free when the function has left it, not when nobody waits for it any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.deadline import NEVER
from dragoman.core.fault import DeadlineExceeded, Started
from dragoman.core.service import Pending, discard, settle
from dragoman.policies.attempt import begun

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from dragoman.core.call import Call, Reply
    from dragoman.core.clock import CallLater, Clock, Timer
    from dragoman.core.service import Layer, Service


def deadline(clock: Clock, call_later: CallLater, begun: Started = Started.YES) -> Layer:
    """A layer that cancels a call at its deadline and answers `DEADLINE_EXCEEDED` then, heeded or not.

    `begun` is what is known of the function once its service has dispatched the call; before that it never ran.
    """

    def layer(service: Service) -> Service:
        def bounded(call: Call) -> Awaitable[Reply]:
            if call.deadline == NEVER:
                return service(call)
            inner = settle(service(call))
            if inner.done and not inner.held:
                return inner
            outer = Bounded(call, inner, begun)
            outer.timer = call_later(max(call.deadline - clock.monotonic(), 0.0), outer.expire)
            inner.then(outer.ended)
            return outer

        return bounded

    return layer


class Bounded(Pending):
    """The reply of a call that has until its deadline."""

    __slots__ = ("_begun", "_call", "_inner", "timer")

    def __init__(self, call: Call, inner: Pending, begun: Started) -> None:
        super().__init__()
        self._call = call
        self._inner = inner
        self._begun = begun
        self.timer: Timer | None = None
        self.on_cancel = inner.cancel

    def expire(self) -> None:
        """The deadline has come."""
        call, inner = self._call, self._inner
        name = call.target.name
        detail = f"{name} ran past its {call.deadline - call.arrived_at:g}s timeout"
        started = begun(call)
        self.fail(DeadlineExceeded(detail, started=self._begun if started is Started.YES else started, function=name))
        # Afterwards: what the service says to this is not the answer.
        inner.cancel()

    def ended(self, inner: Pending) -> None:
        """The service is done with the call, in time or not."""
        if self.timer is not None:
            self.timer.cancel()
        reply, fault = inner.reply, inner.fault
        if self.done:
            if reply is not None:
                discard(reply)
        elif fault is not None:
            self.fail(fault)
        elif reply is not None:
            self.resolve(reply)
