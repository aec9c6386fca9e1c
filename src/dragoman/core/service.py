"""The one signature: a service takes a call and gives an awaitable reply; a layer wraps a service in a service.

A service may be written as a coroutine function. The ones on the hot path return a `Pending` instead: an awaitable
that runs its callbacks where it is settled. A call through such services needs no task, no coroutine frame and no
extra turn of the loop: the read that brings the reply in also writes it out (ADR 0003).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from dragoman.core.fault import Cancelled, Fault
from dragoman.core.items import close_stream

if TYPE_CHECKING:
    from dragoman.core.call import Call, Reply


class Service(Protocol):
    """Anything that can run a call."""

    def __call__(self, call: Call, /) -> Awaitable[Reply]:
        """Run the call. The awaitable raises a `Fault` where the call failed, and nothing else."""
        ...


Layer: TypeAlias = Callable[[Service], Service]


def _nothing() -> None: ...


class Pending:
    """A reply that is on its way.

    Settled once, by `resolve` or `fail`; callbacks given to `then` run at once, in order, in the settling call.
    `cancel` asks whoever runs the call (`on_cancel`) to stop it; the `Pending` is settled by them, soon.

    Layers register from the inside out, so the callback of a layer runs before those of the layers around it. One that
    wants another outcome than the one that came (a retry, a fallback) calls `hold`: whoever ran the call is done with
    it, while those around wait on, until the layer calls `release`. Layers that watch, or step in only when something
    goes wrong, thus need no `Pending` of their own, and cost a call that goes well next to nothing.

    `cancelled` says that somebody asked for the call to be stopped: whatever comes of it then, nobody waits for a
    better answer, and no layer is to try for one.
    """

    __slots__ = ("_callback", "_more", "cancelled", "fault", "held", "on_cancel", "reply")

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.fault: Fault | None = None
        self.held = False
        self.cancelled = False
        self.on_cancel: Callable[[], object] = _nothing
        self._callback: Callable[[Pending], Any] | None = None
        self._more: list[Callable[[Pending], Any]] | None = None

    @classmethod
    def failed(cls, fault: Fault) -> Pending:
        """A reply that never was: refused before any work."""
        pending = cls()
        pending.fault = fault
        return pending

    @property
    def done(self) -> bool:
        """True once whoever runs the call has given a reply or a fault, `held` or not."""
        return self.reply is not None or self.fault is not None

    def then(self, callback: Callable[[Pending], Any]) -> None:
        """Run `callback(self)` when settled: now, if it is already and not held."""
        if (self.reply is not None or self.fault is not None) and not self.held:
            callback(self)
        elif self._callback is None:
            self._callback = callback
        elif self._more is None:
            self._more = [callback]
        else:
            self._more.append(callback)

    def resolve(self, reply: Reply) -> None:
        """Settle with a reply. A second settling is ignored: the first answer stands."""
        if self.reply is None and self.fault is None:
            self.reply = reply
            self._settled()

    def fail(self, fault: Fault) -> None:
        """Settle with a fault. A second settling is ignored: the first answer stands."""
        if self.reply is None and self.fault is None:
            self.fault = fault
            self._settled()

    def cancel(self) -> None:
        """Ask for the call to be stopped, if it has not ended."""
        if self.held or (self.reply is None and self.fault is None):
            self.cancelled = True
            self.on_cancel()

    def abandon(self) -> None:
        """Cancel it, and let go of the reply where it is on its way to the caller already, or comes all the same."""
        self.cancel()
        self.then(lambda settled: settled.reply is not None and discard(settled.reply))

    def hold(self) -> None:
        """Keep the outcome from the callbacks after the running one, until `release`.

        Only for a callback, while it runs. It may set `on_cancel` afterwards, and must see that `release` is called.
        """
        self.held = True

    def release(self, outcome: Reply | Fault) -> None:
        """Give what was held its final outcome, and go on with the callbacks. A second release is ignored."""
        if not self.held:
            return
        self.held = False
        if isinstance(outcome, Fault):
            self.reply, self.fault = None, outcome
        else:
            self.reply, self.fault = outcome, None
        self._settled()

    def _settled(self) -> None:
        self.on_cancel = _nothing
        while (callback := self._callback) is not None and not self.held:
            # Off the list before it runs: a callback may hold the outcome and release another in one go.
            more = self._more
            self._callback = more.pop(0) if more else None
            try:
                callback(self)
            except Exception as error:  # noqa: BLE001 - whoever settles is not to suffer for who listens
                complain(error)

    def result(self) -> Reply:
        """The reply of a settled call. Raises its `Fault`."""
        if self.fault is not None:
            raise self.fault
        assert self.reply is not None, "result() before the call was settled"
        return self.reply

    def __await__(self) -> Generator[Any, None, Reply]:
        if self.held or not self.done:
            waiter = asyncio.get_running_loop().create_future()
            self.then(lambda _: waiter.done() or waiter.set_result(None))
            try:
                yield from waiter
            except asyncio.CancelledError:
                self.abandon()
                raise
        return self.result()


_CLOSING: set[asyncio.Future[Fault | None]] = set()
"""Streams on their way out: a loop holds its tasks by weak references alone."""


def discard(reply: Reply) -> None:
    """Let go of a reply that nobody reads: its stream gives its worker, and its place, back."""
    if reply.items is not None:
        closing = asyncio.ensure_future(close_stream(reply.items))
        _CLOSING.add(closing)
        closing.add_done_callback(_CLOSING.discard)


def complain(error: Exception) -> None:
    """Report what a callback raised to the running loop's exception handler, as loops do for their own."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise error from None
    loop.call_exception_handler({"message": "a callback of a settled call raised", "exception": error})


def settle(answer: Awaitable[Reply]) -> Pending:
    """View any service's awaitable as a `Pending`: itself if it is one, else one that a task of its own settles."""
    if isinstance(answer, Pending):
        return answer
    pending = Pending()
    task = asyncio.ensure_future(answer)
    # Not before its first step: a task that has not begun would end without letting go of what it was given.
    pending.on_cancel = lambda: task.get_loop().call_soon(task.cancel)

    def finish(done: asyncio.Future[Reply]) -> None:
        if done.cancelled():
            pending.fail(Cancelled("the call was cancelled"))
        elif (error := done.exception()) is None:
            pending.resolve(done.result())
        elif isinstance(error, Fault):
            pending.fail(error)
        else:
            pending.fail(Fault.internal(f"{type(error).__name__}: {error}"))

    task.add_done_callback(finish)
    return pending
