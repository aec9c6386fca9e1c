"""What a synchronous function's context and stream do: they block the thread that asks, and no other.

Somebody else reads the wire meanwhile: the watcher, or the event loop where there is one.
"""

from __future__ import annotations

from _thread import allocate_lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from dragoman.core.fault import Started, Unavailable
from dragoman.guest.interrupt import CallCancelled
from dragoman.guest.line import SEND_BYTES

if TYPE_CHECKING:
    from _thread import LockType

    from dragoman.guest.context import Context
    from dragoman.guest.line import Line
    from dragoman.guest.nested import Outbound
    from dragoman.guest.output import Output
    from dragoman.guest.runner import Runner

LOOK_S = 5e-3
"""How often asking for `ctx.cancelled` looks at the wire: often enough for any loop, and cheap in a tight one."""
COOPERATION_S = 0.05
"""What a function that asked for `ctx.cancelled` lately gets to end by itself: half of a host's usual grace."""
ITEM_S = 200e-6
"""An item that comes this soon after the last may wait for the next; the wire's reader sends it if none comes."""


class Server(Protocol):
    """The server, as blocking calls see it."""

    line: Line
    runner: Runner
    outbound: Outbound
    looked_at: float

    def look(self, now: float) -> None:
        """Read what is there, without waiting. Under the line's lock."""
        ...

    def wake(self) -> None:
        """Have the wire read from now on, though a call runs. Under the line's lock."""
        ...


class Blocking:
    """The link and the port of the call that runs in the main thread."""

    def __init__(self, server: Server, output: Output) -> None:
        self._server = server
        self._line = server.line
        self._runner = server.runner
        self._guard = server.runner.guard
        self._output = output
        self._credit: LockType | None = None
        self._sent_at = 0.0
        self._polled_at = 0.0
        self._cancelled_at = 0.0

    def public_id(self, call: int) -> str:
        """The id under which people know a call."""
        return self._line.hello.call_id(call)

    def is_cancelled(self, call: int) -> bool:
        """Whether the caller has given the call up; so has everyone, once it has ended."""
        runner = self._runner
        if self._guard.is_child or call != runner.call:
            return True
        self._polled_at = now = monotonic()
        if not runner.cancelled and now - self._server.looked_at > LOOK_S:
            with self._line.lock:
                if call == runner.call:
                    self._server.look(now)
        return runner.cancelled

    def log(self, call: int, body: bytes) -> None:
        """Send a log event, within the call's allowance."""
        self._output.log(call, body)

    def report(self, call: int, body: bytes) -> None:
        """Send an event: with the next answer, or when the reader of the wire comes by."""
        line = self._line
        if self._guard.is_child:
            return
        with line.lock:
            line.put(line.connection.event(body, call))
            if line.driver is not None or not self._runner.call or line.size > SEND_BYTES:
                line.flush()

    def request(self, context: Context, function: str, arguments: dict[str, Any]) -> Any:
        """Call another function and wait for its result."""
        if self._guard.is_child:
            raise Unavailable("a forked child cannot call: only the worker is connected", started=Started.NO)
        outbound, done = self._server.outbound, allocate_lock()
        done.acquire()
        with self._line.lock:
            nested = outbound.start(context, function, arguments, done.release)
            self._line.flush()
            self._server.wake()
        try:
            done.acquire()
        except BaseException:
            with self._line.lock:
                outbound.drop(nested)
            raise
        return nested.result()

    def send_item(self, call: int, codec: int, body: bytes) -> None:
        """Send an item as soon as the host has room for it. Raises `CallCancelled`."""
        line = self._line
        while True:
            with line.lock:
                if self._runner.cancelled:
                    raise CallCancelled
                if line.connection.credit_of(call) > 0:
                    line.put(line.connection.item_header(call, codec, len(body)), body)
                    now = monotonic()
                    if line.driver is not None or line.size > SEND_BYTES or now - self._sent_at > ITEM_S:
                        self._sent_at = now
                        line.flush()
                    return
                line.flush()
                self._credit = credit = allocate_lock()
                credit.acquire()
                self._server.wake()
            credit.acquire()

    def ring(self) -> None:
        """Something came for the running call: credit, or its cancellation. Under the line's lock."""
        if self._runner.cancelled and self._cancelled_at < self._runner.began_at:
            self._cancelled_at = monotonic()
        if self._credit is not None:
            self._credit.release()
            self._credit = None

    def may_strike(self) -> bool:
        """Whether the running call is cancelled and has had its chance to end by itself. Under the line's lock."""
        runner = self._runner
        if not runner.cancelled or runner.interrupted:
            return False
        now = monotonic()
        asked_lately = self._polled_at > self._cancelled_at - COOPERATION_S
        return now - self._cancelled_at >= (COOPERATION_S if asked_lately else 0.0)
