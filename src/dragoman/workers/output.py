"""What a worker prints on its pipes.

Read so that it never blocks for long, kept so that a death can be explained, bounded so that a gigabyte of it is no
more than a note in the log.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dragoman.core.event import Log

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from dragoman.core.clock import Clock

READ_BYTES = 64 * 1024
TAIL_BYTES = 4 * 1024
"""What is kept of the end: enough for the last frames of a traceback."""
LINE_BYTES_MAX = 8 * 1024
"""A longer line is cut: a log is read by people."""
QUOTA_BYTES = 256 * 1024
"""Per pipe and window; what goes beyond is counted and dropped."""
WINDOW_S = 1.0
READS_MAX = 16
"""Reads in a row before the loop gets its turn: 1 MB."""


class OutputPipe:
    """One of a worker's pipes, read on the loop. `on_line` gets a `Log` per line."""

    def __init__(
        self, fd: int, stream: str, loop: asyncio.AbstractEventLoop, clock: Clock, on_line: Callable[[Log], None]
    ) -> None:
        self.tail = b""
        self._fd = fd
        self._stream = stream
        self._loop = loop
        self._clock = clock
        self._on_line = on_line
        self._rest = b""
        self._spent_bytes = 0
        self._dropped_bytes = 0
        self._window_at = clock.monotonic()
        self._reporting: asyncio.TimerHandle | None = None
        self._open = True
        os.set_blocking(fd, False)
        loop.add_reader(fd, self.read)

    def read(self) -> None:
        """Take what is there now."""
        if not self._open:
            return
        try:
            for _ in range(READS_MAX):
                data = os.read(self._fd, READ_BYTES)
                if not data:
                    self.close()
                    return
                self._take(data)
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def close(self) -> None:
        """Report what is left and let go of the pipe: a grandchild that still holds it is not waited for."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._emit(self._rest)
            if self._reporting is not None:
                self._reporting.cancel()
            self._note_dropped()

    def _take(self, data: bytes) -> None:
        self.tail = (self.tail + data)[-TAIL_BYTES:]
        now = self._clock.monotonic()
        if now - self._window_at >= WINDOW_S:
            self._window_at, self._spent_bytes = now, 0
        self._spent_bytes += len(data)
        if self._spent_bytes > QUOTA_BYTES:
            self._drop(len(data))
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._emit(line)
        if len(self._rest) > LINE_BYTES_MAX:
            self._emit(self._rest)
            self._rest = b""

    def _emit(self, line: bytes) -> None:
        text = line[:LINE_BYTES_MAX].decode("utf-8", "replace").rstrip("\r")
        if text:
            self._on_line(Log(text, stream=self._stream))

    def _drop(self, count: int) -> None:
        if not self._dropped_bytes:
            self._emit(self._rest)
            self._rest = b""
            self._reporting = self._loop.call_later(WINDOW_S, self._note_dropped)
        self._dropped_bytes += count

    def _note_dropped(self) -> None:
        self._reporting = None
        if self._dropped_bytes:
            self._on_line(Log(f"… {self._dropped_bytes} bytes of output dropped", "warning", self._stream))
            self._dropped_bytes = 0
