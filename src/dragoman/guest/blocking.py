"""What a synchronous function's context and stream do: they block the thread that asks, and no other.

Somebody else reads the wire meanwhile: the watcher, or the event loop where there is one.
"""

from __future__ import annotations

from _thread import allocate_lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from dragoman.core.fault import InvalidArgument, Started, Unavailable
from dragoman.guest.interrupt import CallCancelled
from dragoman.guest.line import SEND_BYTES
from dragoman.guest.nested import Nested, NestedStream, take_items

if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Iterator

    from dragoman.core.draft import Draft
    from dragoman.guest.context import Context
    from dragoman.guest.inflow import Inflow
    from dragoman.guest.line import Line
    from dragoman.guest.nested import Outbound
    from dragoman.guest.output import Output
    from dragoman.guest.runner import Runner
    from dragoman.wire.frame import Frame

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

    def rest(self, bell: LockType) -> None:
        """Wait for a bell that `Blocking.ring` rings, while the wire is read. Under no lock."""
        ...


class Blocking:
    """The link and the port of the call that runs in the main thread."""

    def __init__(self, server: Server, output: Output) -> None:
        self._server = server
        self._line = server.line
        self._runner = server.runner
        self._guard = server.runner.guard
        self._output = output
        self._bells: list[LockType] = []
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

        def finished() -> None:
            done.release()
            self.ring()

        with self._line.lock:
            nested = outbound.start(context, function, arguments, finished, Nested)
            self._line.flush()
            self._server.wake()
        try:
            if nested.items is not None:
                self._feed(outbound, nested)
            done.acquire()
        except BaseException:
            with self._line.lock:
                outbound.drop(nested)
                self._line.flush()
            raise
        return nested.result()

    def request_stream(self, context: Context, function: str, arguments: dict[str, Any]) -> Iterator[Any]:
        """Call another function and wait for its items, one after the other."""
        if self._guard.is_child:
            raise Unavailable("a forked child cannot call: only the worker is connected", started=Started.NO)
        if take_items(arguments)[1] is not None:
            message = (
                f"{function} cannot be fed and read at once by an ordinary function: make it async, or pass a list"
            )
            raise InvalidArgument(message, started=Started.NO)
        line, outbound, bell = self._line, self._server.outbound, allocate_lock()

        def came() -> None:
            if bell.locked():
                bell.release()
            self.ring()

        with line.lock:
            nested = outbound.start(context, function, arguments, came, NestedStream)
            line.flush()
            self._server.wake()
        return self._items(outbound, nested, bell)

    def _items(self, outbound: Outbound, nested: NestedStream, bell: LockType) -> Iterator[Any]:
        line = self._line
        try:
            while True:
                with line.lock:
                    bell.acquire(blocking=False)
                    frame = outbound.pop(nested)
                    over = frame is None and nested.done
                    line.flush()
                    self._server.wake()
                if frame is not None:
                    yield nested.value(frame)
                elif over:
                    nested.finish()
                    return
                else:
                    bell.acquire()
        finally:
            with line.lock:
                outbound.drop(nested)
                line.flush()

    def _feed(self, outbound: Outbound, nested: Nested) -> None:
        """Send the input of a call as fast as it is taken, until its end or the call's."""
        items: Any = nested.items
        if not hasattr(items, "__next__"):
            message = f"an ordinary function calls {nested.function} with an ordinary iterator, not an asynchronous one"
            raise InvalidArgument(message, started=Started.UNKNOWN)
        line = self._line
        for value in items:
            while True:
                with line.lock:
                    given = outbound.give(nested, value)
                    line.flush()
                    bell = None if given else self._bell()
                if bell is None:
                    break
                self._server.rest(bell)
            if nested.done:
                return
        with line.lock:
            outbound.finish(nested)
            line.flush()
            self._server.wake()

    def send_item(self, call: int, codec: int, body: bytes | Draft) -> None:
        """Send an item as soon as the host has room for it. Raises `CallCancelled`."""
        line = self._line
        while True:
            with line.lock:
                if self._runner.cancelled:
                    raise CallCancelled
                if line.connection.credit_of(call) > 0:
                    line.put(*line.item(call, codec, body))
                    now = monotonic()
                    if line.driver is not None or line.size > SEND_BYTES or now - self._sent_at > ITEM_S:
                        self._sent_at = now
                        line.flush()
                    return
                line.flush()
                bell = self._bell()
                self._server.wake()
            bell.acquire()

    def next_item(self, inflow: Inflow) -> Frame | None:
        """The next item of the input, `None` at its end; waits for it. Raises `CallCancelled`, once it is to be."""
        line, runner = self._line, self._runner
        while True:
            with line.lock:
                if self._guard.is_child:
                    message = "a forked child has no input stream: only the worker is connected"
                    raise RuntimeError(message)
                if runner.cancelled and inflow.call == runner.call and not runner.interrupted:
                    runner.interrupted = True
                    runner.struck = False  # one that is under way would hit the function's clean-up
                    raise CallCancelled
                frame = inflow.take(line)
                if frame is not None or inflow.ended:
                    return frame
                line.flush()
                inflow.wake = self.ring
                bell = self._bell()
            self._server.rest(bell)

    def _bell(self) -> LockType:
        bell = allocate_lock()
        bell.acquire()
        self._bells.append(bell)
        return bell

    def ring(self) -> None:
        """Something came for the running call: credit, input, or its cancellation. Under the line's lock."""
        if self._runner.cancelled and self._cancelled_at < self._runner.began_at:
            self._cancelled_at = monotonic()
        bells, self._bells = self._bells, []
        for bell in bells:
            bell.release()

    def may_strike(self) -> bool:
        """Whether the running call is cancelled and has had its chance to end by itself. Under the line's lock."""
        runner = self._runner
        if not runner.cancelled or runner.interrupted:
            return False
        now = monotonic()
        asked_lately = self._polled_at > self._cancelled_at - COOPERATION_S
        return now - self._cancelled_at >= (COOPERATION_S if asked_lately else 0.0)
