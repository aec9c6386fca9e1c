"""What user code prints, line by line, as log events of the call that printed it.

`sys.stdout` and `sys.stderr` become ordinary text streams over a sink that knows which call is running. The descriptors
1 and 2 stay pipes to the host: what C code and child processes print is log too, only without a call. Each call may
print so much; the rest is counted and dropped, so that a function that prints a gigabyte costs nobody else.
"""

from __future__ import annotations

import io
import os
import sys
from _thread import RLock
from time import monotonic
from typing import TYPE_CHECKING

from dragoman.wire.report import dump_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer

QUOTA_BYTES = 64 * 1024
"""Per call, both streams together: a few pages of a terminal; what is longer belongs in the reply."""
LINE_BYTES_MAX = 8 * 1024
"""A longer line is cut into pieces, so that no line has to be held whole."""
LINE_COST_BYTES = 64
"""Charged for each line besides its text: about what its event costs, so that empty lines are not free."""
PARTIAL_MAX = 64
"""Unfinished lines held at once; past it the oldest is reported as it stands."""
BACKGROUND = 0
"""The call id of output that no call made: from import, or from threads between calls."""
BACKGROUND_WINDOW_S = 10.0
"""Output without a call has the allowance of one call per this time."""

_LEVELS = {"stdout": "info", "stderr": "warning"}


def _background() -> int:
    return BACKGROUND


class Tally:
    """What a call has printed: `charged` against its allowance, and `dropped` past it, in bytes."""

    __slots__ = ("charged", "dropped")

    def __init__(self) -> None:
        self.charged = 0
        self.dropped = 0


class Output:
    """Both streams. Until `attach` gives it somewhere to report, and after `detach`, it writes to the descriptors.

    `printed` holds the calls that have printed; a call that is in it must be settled when it ends.
    """

    def __init__(self) -> None:
        self.printed: dict[int, Tally] = {}
        self.current: Callable[[], int] = _background
        self.report: Callable[[int, bytes], None] | None = None
        self.lock = RLock()
        self._background_since = 0.0
        self._sinks = (Sink(self, "stdout", 1), Sink(self, "stderr", 2))

    def install(self) -> None:
        """Take the place of `sys.stdout` and `sys.stderr`."""
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(sink, "utf-8", "backslashreplace", newline="", write_through=True) for sink in self._sinks
        )

    def attach(
        self, report: Callable[[int, bytes], None], lock: RLock, current: Callable[[], int] = _background
    ) -> None:
        """From now on, lines go to `report(call, event body)`, and belong to the call that `current()` names.

        `lock` is held around each report. It is the wire's own: two locks could be taken in either order.
        """
        self.lock = lock
        self.current = current
        self.report = report

    def detach(self) -> None:
        """From now on, lines go to the descriptors: in a forked child, and once the wire is gone."""
        self.report = None

    def tally(self, call: int) -> Tally:
        """The account of a call that prints."""
        if call == BACKGROUND and (now := monotonic()) - self._background_since > BACKGROUND_WINDOW_S:
            self._background_since = now
            self._close(BACKGROUND)
        tally = self.printed.get(call)
        if tally is None:
            tally = self.printed[call] = Tally()
        return tally

    def settle(self, call: int) -> None:
        """The call has ended: report its unfinished lines, and how much was dropped."""
        if call in self.printed:
            with self.lock:
                for sink in self._sinks:
                    sink.finish(call)
                self._close(call)

    def log(self, call: int, body: bytes) -> None:
        """Report a log event that the function wrote itself; it counts like printed output."""
        if self.report is None:
            return
        with self.lock:
            tally = self.tally(call)
            if tally.charged < QUOTA_BYTES:
                tally.charged += len(body)
                self.report(call, body)
            else:
                tally.dropped += len(body)

    def tell(self, call: int, stream: str, line: bytes | bytearray) -> None:
        """Report one line."""
        if self.report is not None:
            self.report(call, dump_log(line.decode("utf-8", "replace"), _LEVELS[stream], stream))

    def _close(self, call: int) -> None:
        tally = self.printed.pop(call, None)
        if tally is not None and tally.dropped and self.report is not None:
            note = f"{tally.dropped} bytes of output were dropped: of each call's, about {QUOTA_BYTES} are kept"
            self.report(call, dump_log(note, "warning", fields={"dropped_bytes": tally.dropped}))


class Sink(io.BufferedIOBase):
    """One stream as bytes: gathers them into lines, per call."""

    def __init__(self, output: Output, stream: str, fd: int) -> None:
        self.name = f"<{stream}>"
        self.mode = "wb"
        self._output = output
        self._stream = stream
        self._fd = fd
        self._partial: dict[int, bytearray] = {}

    def writable(self) -> bool:
        """Always: the stream lives as long as the worker."""
        return True

    def fileno(self) -> int:
        """The descriptor behind the stream, for child processes that are given it."""
        return self._fd

    def write(self, data: ReadableBuffer, /) -> int:
        """Take some bytes; past the call's allowance they are only counted."""
        chunk = bytes(data)
        output = self._output
        if output.report is None:
            view = memoryview(chunk)
            while view:
                view = view[os.write(self._fd, view) :]
            return len(chunk)
        with output.lock:
            call = output.current()
            tally = output.tally(call)
            room = max(QUOTA_BYTES - tally.charged, 0)
            tally.dropped += max(len(chunk) - room, 0)
            for piece in chunk[:room].splitlines(keepends=True):
                self._take(call, tally, piece)
        return len(chunk)

    def flush(self) -> None:
        """Nothing: a line is reported when it ends, or with its call."""

    def close(self) -> None:
        """Nothing: the stream is the worker's, and outlives whoever closes it."""

    def finish(self, call: int) -> None:
        """Report what there is of an unfinished line."""
        line = self._partial.pop(call, None)
        if line:
            self._output.tell(call, self._stream, line)

    def _take(self, call: int, tally: Tally, piece: bytes) -> None:
        """Take a piece of a line, or its end. A carriage return ends a line too: progress bars write nothing else."""
        if tally.charged >= QUOTA_BYTES:
            tally.dropped += len(piece)
            return
        tally.charged += len(piece)
        ended = piece.endswith((b"\n", b"\r"))
        line = self._partial.setdefault(call, bytearray())
        line += piece.rstrip(b"\r\n") if ended else piece
        if ended:
            tally.charged += LINE_COST_BYTES
            del self._partial[call]
            if line or piece != b"\r":
                self._cut(call, line)
                self._output.tell(call, self._stream, line)
            return
        self._cut(call, line)
        if len(self._partial) > PARTIAL_MAX:
            self.finish(next(iter(self._partial)))

    def _cut(self, call: int, line: bytearray) -> None:
        while len(line) > LINE_BYTES_MAX:
            self._output.tell(call, self._stream, line[:LINE_BYTES_MAX])
            del line[:LINE_BYTES_MAX]
