"""Calls that a function makes: how they go out, and how their frames become a result."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar, cast

from dragoman.contract.codec import Malformed, decode, encode
from dragoman.contract.table import has_table, is_table_value
from dragoman.core.call import Codec
from dragoman.core.deadline import remaining_ms
from dragoman.core.draft import whole
from dragoman.core.fault import DataLoss, Fault, InvalidArgument, Started
from dragoman.wire import meta
from dragoman.wire.fault import Oversized
from dragoman.wire.frame import GUEST_BIT, Flag, Frame, Kind
from dragoman.wire.report import load_fault
from dragoman.wire.state import IllegalTransition

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.draft import Draft
    from dragoman.guest.context import Context
    from dragoman.guest.line import Line

_ARROW_CODECS = Codec.ARROW | Codec.ARROW << 4
_END, _ITEM = int(Kind.END), int(Kind.ITEM)
NAME_CHARACTERS_MAX = 256
"""Of a name that cannot be called this much is quoted: as much as a name may have."""
ITEMS_MAX = 100_000
"""A stream that a function collects whole; what is longer does not belong in one list."""


class Nested:
    """One call that a function has made and waits for. `on_done` is called once, by whoever reads the wire."""

    def __init__(self, call: int, function: str, on_done: Callable[[], Any]) -> None:
        """`given`, set later, is the table that was sent, if one was: one of its kind comes back."""
        self.call = call
        self.function = function
        self._on_done = on_done
        self.given: Any = None
        self.items: Any = None
        self._items: list[bytes] = []
        self._codec = Codec.NONE
        self._end: Frame | None = None

    @property
    def done(self) -> bool:
        """Whether the last frame has come."""
        return self._end is not None

    def take(self, frame: Frame) -> bool:
        """Take a frame of the reply; true for the last."""
        if frame.kind == _ITEM:
            self._items.append(frame.body)
            self._codec = frame.body_codec
            return False
        self._end = frame
        self._on_done()
        return True

    def fault_of(self, frame: Frame) -> Fault:
        """The fault that a call ended with."""
        fault = load_fault(frame.body)
        fault.function = fault.function or self.function
        return fault

    @property
    def count(self) -> int:
        """How many items have come."""
        return len(self._items)

    def result(self) -> Any:
        """The decoded reply. Raises the callee's `Fault`."""
        assert self._end is not None, "result() before the last frame"
        if len(self._items) > ITEMS_MAX:
            raise Fault.resource_exhausted(f"{self.function} streamed more than {ITEMS_MAX} items: too many for a list")
        if self._end.kind != _END:
            raise self.fault_of(self._end)
        try:
            if self._items:
                return [_decoded(item, self._codec, self.given) for item in self._items]
            if not self._end.body and self._end.body_codec in {Codec.JSON, Codec.MSGPACK}:
                return []
            return _decoded(self._end.body, self._end.body_codec, self.given)
        except Malformed as error:
            raise DataLoss(f"the reply of {self.function} cannot be read: {error}") from None


class NestedStream(Nested):
    """One call whose items are taken one by one. `on_done` is also called for each item that comes."""

    def __init__(self, call: int, function: str, on_done: Callable[[], Any]) -> None:
        super().__init__(call, function, on_done)
        self._waiting: deque[Frame] = deque()

    def take(self, frame: Frame) -> bool:
        """Take a frame of the reply; true for the last."""
        if frame.kind != _ITEM:
            return super().take(frame)
        self._waiting.append(frame)
        self._on_done()
        return False

    def pop(self) -> Frame | None:
        """The next item that is here, or the reply of a function that does not stream; `None` where there is none."""
        if self._waiting:
            return self._waiting.popleft()
        end = self._end
        if end is not None and end.kind == _END and end.body:
            self._end = end._replace(body=b"")
            return end
        return None

    def value(self, frame: Frame) -> Any:
        """What an item says. Raises `DataLoss` where it cannot be read."""
        try:
            return _decoded(frame.body, frame.body_codec, self.given)
        except Malformed as error:
            raise DataLoss(f"an item of {self.function} cannot be read: {error}") from None

    def finish(self) -> None:
        """After the last item. Raises the callee's `Fault`."""
        assert self._end is not None, "finish() before the last frame"
        if self._end.kind != _END:
            raise self.fault_of(self._end)


def take_items(arguments: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """The arguments without the one that is an iterator, ordinary or asynchronous, and that; `None` for none.

    A second iterator stays, and cannot be sent.
    """
    for name, value in arguments.items():
        if isinstance(value, Iterator | AsyncIterator) and not is_table_value(cast("object", value)):
            return {key: each for key, each in arguments.items() if key != name}, value  # pyright: ignore[reportUnknownVariableType] - any iterator
    return arguments, None


Kept = TypeVar("Kept", bound=Nested)


def _arrow() -> Any:
    return import_module("dragoman.contract.arrow")


def _encoded_input(arguments: dict[str, Any]) -> tuple[bytes | Draft, int, Any]:
    """The body of a call, its codecs, and the table that it is, if it is one: the only argument."""
    if len(arguments) == 1:
        (value,) = arguments.values()
        if is_table_value(value):
            return _arrow().draft(value), _ARROW_CODECS, value
    if has_table(arguments):
        given = next(value for value in arguments.values() if is_table_value(value))
        packed = {
            name: bytes(whole(_arrow().draft(value))) if is_table_value(value) else value
            for name, value in arguments.items()
        }
        return encode(packed, Codec.MSGPACK), Codec.MSGPACK | Codec.ARROW << 4, given
    body, codec = _encoded_plain(arguments)
    return body, codec | Codec.MSGPACK << 4, None


def _decoded(body: bytes, codec: Codec, given: Any) -> Any:
    return _arrow().read_reply(body, given) if codec is Codec.ARROW else decode(body, codec)


def _encoded(value: Any) -> tuple[bytes | Draft, Codec]:
    if is_table_value(value):
        return _arrow().draft(value), Codec.ARROW
    return _encoded_plain(value)


def _encoded_plain(value: Any) -> tuple[bytes, Codec]:
    """MessagePack, or JSON where an integer is past 64 bits."""
    try:
        return encode(value, Codec.MSGPACK), Codec.MSGPACK
    except Malformed:
        return encode(value, Codec.JSON), Codec.JSON


class Outbound:
    """The calls that this worker's functions have made and wait for. Everything under the line's lock."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._live: dict[int, Nested] = {}
        self._last = GUEST_BIT

    def start(
        self,
        context: Context,
        function: str,
        arguments: dict[str, Any],
        on_done: Callable[[], Any],
        kind: type[Kept],
    ) -> Kept:
        """Send a CALL with what is left of the caller's time. Raises `InvalidArgument` for what cannot be sent.

        Where one argument is an iterator, its items are to follow: `items` of what is given back.
        """
        arguments, items = take_items(arguments)
        if not isinstance(function, str) or not function:  # pyright: ignore[reportUnnecessaryIsInstance] - user code may pass anything
            raise InvalidArgument("ctx.call takes the full name of a function: 'source.function'", started=Started.NO)
        entries = context.entries
        line = self._line
        try:
            body, codecs, table = _encoded_input(arguments)
            # Past what a byte holds the host has long refused the chain for its depth.
            head = meta.encode(entries.trace, context.call_id, function, min(entries.depth + 1, 255))
            amount = remaining_ms(context.deadline, monotonic())
            call = self._last + 1
            if items is None:
                parts = line.call(Frame(Kind.CALL, Flag.STREAM, codecs, 0, call, amount, head), body)
            else:
                given = bytes(whole(body))
                frame = Frame(Kind.CALL, Flag.STREAM | Flag.INPUT, codecs, 0, call, amount, head, given)
                parts = line.connection.flagged_header(frame), given
        except (Malformed, Oversized, IllegalTransition, ValueError) as error:
            shown = function if len(function) <= NAME_CHARACTERS_MAX else f"{function[:NAME_CHARACTERS_MAX]}…"
            raise InvalidArgument(f"{shown} cannot be called: {error}", started=Started.NO) from None
        self._last = call
        line.put(*parts)
        nested = self._live[call] = kind(call, function, on_done)
        nested.given = table
        nested.items = items
        return nested

    def give(self, nested: Nested, value: Any) -> bool:
        """Send one item of a call's input; false where there is no credit for it. Nothing goes to a call that is over.

        Raises `InvalidArgument` for what cannot be sent.
        """
        connection = self._line.connection
        if nested.done:
            return True
        if connection.credit_of(nested.call) <= 0:
            return False
        try:
            body, codec = _encoded(value)
            self._line.put(*self._line.item(nested.call, codec, body))
        except (Malformed, Oversized) as error:
            message = f"an item for {nested.function} cannot be sent: {error}"
            raise InvalidArgument(message, started=Started.UNKNOWN) from None
        return True

    def finish(self, nested: Nested) -> None:
        """Send the end of a call's input, unless the call is over."""
        if not nested.done:
            self._line.put(self._line.connection.finish(nested.call))

    def take(self, frame: Frame) -> None:
        """Take a frame of a reply; one that nobody waits for any more is dropped."""
        nested, connection = self._live.get(frame.call), self._line.connection
        if nested is None:
            return
        if nested.take(frame):
            del self._live[frame.call]
        elif isinstance(nested, NestedStream):
            pass  # credit is given when an item is taken
        elif nested.count <= ITEMS_MAX:
            self._line.put(connection.consumed(frame.call, len(frame.body)))
        elif nested.count == ITEMS_MAX + 1:
            self._line.put(connection.cancel(frame.call))

    def pop(self, nested: NestedStream) -> Frame | None:
        """The next item of a stream that is here; taking it lets the callee send more."""
        frame = nested.pop()
        if frame is not None and nested.call in self._live:
            self._line.put(self._line.connection.consumed(nested.call, len(frame.body)))
        return frame

    def drop(self, nested: Nested) -> None:
        """Stop waiting: the call is cancelled, if it has not ended."""
        if self._live.pop(nested.call, None) is not None:
            self._line.put(self._line.connection.cancel(nested.call))
