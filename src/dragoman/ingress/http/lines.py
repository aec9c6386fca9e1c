"""A request's body as the input stream of its call: JSON Lines, cut as they come in.

What the function has not taken stays with the client: past a little of it nothing more is read from the connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.call import Codec
from dragoman.core.fault import InvalidArgument, Started
from dragoman.core.inflow import InputStream
from dragoman.ingress.holding import HELD_BYTES_LEAST, full

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.fault import Fault
    from dragoman.ingress.http.lane import CallLane

AHEAD_BYTES = 64 * 1024
"""What is read ahead of the function, one read of a connection; the wire to the worker holds more by itself."""


class BodyLines:
    """Cuts a body into lines. `on_pause(paused)` is told when to stop reading the connection, and to go on.

    `ended` says that no more is taken of it, `whole` that it came to its own end, `paused` what was told last.
    """

    def __init__(self, lane: CallLane, on_pause: Callable[[bool], None]) -> None:
        self.items = InputStream(self._took)
        self.ended = self.whole = False
        self._lane = lane
        self._on_pause = on_pause
        self._line: list[bytes] = []
        self._line_bytes = 0
        self._ahead_bytes = 0
        self._held_bytes = 0
        self.paused = False

    def feed(self, data: bytes) -> None:
        """Take what has come of the body."""
        if self.ended:
            return
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._line.append(line)
            self._push(b"".join(self._line))
            self._line = []
            self._line_bytes = 0
        if rest:
            self._line.append(rest)
            self._line_bytes += len(rest)
        if self._line_bytes > HELD_BYTES_LEAST or self._held_bytes:
            self._hold(self._line_bytes)
        if not self.paused and self._ahead_bytes > AHEAD_BYTES:
            self.paused = True
            self._on_pause(True)  # noqa: FBT003 - what it is told

    def end(self, fault: Fault | None = None) -> None:
        """Take the end of the body: as it should be, or for the reason why no more of it is read."""
        if self.ended:
            return
        if fault is None and self._line:
            self._push(b"".join(self._line))
            if self.ended:
                return
        self.whole = fault is None
        self.ended = True
        self._line = []
        self._hold(0)
        self.items.end(fault)
        if self.paused:
            self.paused = False
            self._on_pause(False)  # noqa: FBT003 - what it is told

    def _push(self, line: bytes) -> None:
        line = line.strip(b" \t\r")
        limit = self._lane.options.body_bytes_max
        if len(line) > limit:
            self._refuse(limit)
        elif line and not self.ended:
            self._ahead_bytes += len(line)
            self.items.push(Codec.JSON, line)

    def _hold(self, size: int) -> None:
        """Count a line that comes in among the bodies that this host holds for all of its connections."""
        size = size if size > HELD_BYTES_LEAST else 0
        lane = self._lane
        lane.held_bytes += size - self._held_bytes
        self._held_bytes = size
        if size > lane.options.body_bytes_max:
            self._refuse(lane.options.body_bytes_max)
        elif size and lane.held_bytes > lane.held_bytes_max:
            self.end(full())

    def _refuse(self, limit: int) -> None:
        detail = f"a line of the input is larger than the {limit} bytes that are read here"
        self.end(InvalidArgument(detail, started=Started.UNKNOWN))

    def _took(self, size: int) -> None:
        self._ahead_bytes -= size
        if self.paused and self._ahead_bytes * 2 <= AHEAD_BYTES:
            self.paused = False
            self._on_pause(False)  # noqa: FBT003 - what it is told
