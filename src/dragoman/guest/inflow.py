"""The input streams of calls: what has come and is not yet taken, and what a function sees of it.

The reader of the wire puts frames in; the credit that the host was given bounds how many. Taking one out grants more.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from dragoman.core.call import Codec
from dragoman.wire.frame import Flag, Frame, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.contract.intake import Intake
    from dragoman.wire.connection import Connection

_END, _INPUT = int(Kind.END), int(Flag.INPUT)
_CODECS = tuple(Codec)


def _nothing() -> None: ...


class Wire(Protocol):
    """The worker's end of the wire."""

    connection: Connection

    def put(self, *parts: bytes) -> None:
        """Send these bytes with the next batch."""
        ...

    def flush(self) -> None:
        """Send what is waiting."""
        ...


class Inflow:
    """The input stream of one call. `wake` is told of everything that comes. Under the line's lock."""

    __slots__ = ("call", "closed", "ended", "frames", "wake")

    def __init__(self, call: int) -> None:
        self.call = call
        self.frames: deque[Frame] = deque()
        self.ended = False
        self.closed = False
        self.wake: Callable[[], object] = _nothing

    def take(self, line: Wire) -> Frame | None:
        """The next item, if there is one; grants the host what it took up. Raises `RuntimeError` after the call."""
        if self.closed:
            message = "the call is over, and its input with it"
            raise RuntimeError(message)
        if not self.frames:
            return None
        frame = self.frames.popleft()
        credit = line.connection.consumed(self.call, len(frame.body))
        if credit:
            line.put(credit)
            line.flush()
        return frame


class Inflows:
    """The input streams of all calls that this worker has. Under the line's lock."""

    def __init__(self) -> None:
        self._live: dict[int, Inflow] = {}

    def __len__(self) -> int:
        return len(self._live)

    def open(self, frame: Frame) -> None:
        """Take a CALL: keep what comes for it, where it has an input stream."""
        if frame.flags & _INPUT:
            self._live[frame.call] = Inflow(frame.call)

    def put(self, frame: Frame) -> None:
        """Take an ITEM or END of an input; what comes for a call that is over is dropped."""
        inflow = self._live.get(frame.call)
        if inflow is not None:
            if frame.kind == _END:
                inflow.ended = True
            else:
                inflow.frames.append(frame)
            inflow.wake()

    def of(self, call: int) -> Inflow:
        """The input stream of a call that has one."""
        return self._live[call]

    def close(self, call: int) -> None:
        """Forget the input stream of a call that is over, or never began."""
        inflow = self._live.pop(call, None)
        if inflow is not None:
            inflow.closed = True
            inflow.frames.clear()
            inflow.wake()


class Port(Protocol):
    """Who waits for items in a thread."""

    def next_item(self, inflow: Inflow) -> Frame | None:
        """The next item; `None` at the end. Blocks. Raises `CallCancelled`."""
        ...


class Items:
    """An input stream as an ordinary function sees it: an iterator of checked values."""

    def __init__(self, port: Port, inflow: Inflow, intake: Intake) -> None:
        self._port = port
        self._inflow = inflow
        self._intake = intake
        self._position = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        frame = self._port.next_item(self._inflow)
        if frame is None:
            raise StopIteration
        self._position += 1
        return self._intake.read(frame.body, _CODECS[frame.codec], self._position - 1)
