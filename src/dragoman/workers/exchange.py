"""One call on its way through a pool: waiting in line, in flight in a worker, or settled.

A settled exchange may still be in flight: its caller has an answer (a deadline passed, the caller left) while the
worker has yet to give the call up. The worker keeps it until the wire says END or FAULT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dragoman.core.service import Pending

if TYPE_CHECKING:
    from dragoman.core.call import Call
    from dragoman.core.fault import Fault
    from dragoman.workers.lifecycle import State
    from dragoman.workers.stream import ReplyStream


class Stopper(Protocol):
    """Whoever can stop a call: the pool."""

    def stop(self, exchange: Exchange) -> None:
        """Stop the call, wherever it is, because nobody wants its answer any more."""
        ...


class Holder(Protocol):
    """The worker that has a call, as far as the call needs to know it."""

    state: State

    def has_begun(self, call_id: int, /) -> bool:
        """Whether the function has been entered."""
        ...

    def give_up(self, exchange: Exchange, fault: Fault, /) -> None:
        """Answer with a fault now, and have the call stopped."""
        ...


class Exchange(Pending):
    """A pending reply that knows its call, and the worker that has it (`None` while it waits in line).

    `deaths` counts the workers that died with the call in flight and not begun; `number` says the how manieth call of
    its worker it is, in the order of sending.
    """

    __slots__ = ("call", "deaths", "number", "stopper", "stream", "worker")

    def __init__(self, call: Call, stopper: Stopper) -> None:
        super().__init__()
        self.call = call
        self.stopper = stopper
        self.worker: Holder | None = None
        self.stream: ReplyStream | None = None
        self.deaths = 0
        self.number = 0

    @property
    def over(self) -> bool:
        """Whether its worker owes nothing more: it gave a reply, a fault, or the end of a stream."""
        return self.done and (self.stream is None or self.stream.ended)

    def cancel(self) -> None:
        """Stop the call, and its stream if it has begun one. Harmless once it is over."""
        if self.held:
            self.cancelled = True
            self.on_cancel()
        elif not self.over:
            self.cancelled = True
            self.stopper.stop(self)

    def conclude(self, fault: Fault) -> None:
        """Give the caller a fault: as the whole answer, or as the end of a stream that has begun."""
        if self.stream is not None:
            self.stream.end(fault)
        else:
            self.fail(fault)
