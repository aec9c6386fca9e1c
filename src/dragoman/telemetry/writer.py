"""Writes log lines to a descriptor from a thread of its own, so that a slow reader never holds up an event loop.

A descriptor that others share (a terminal, a pipe) must not be made non-blocking, so a thread is the only way to wait
for it. What the reader does not take in time is held up to a bound and dropped past it, with a count.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

HELD_BYTES_MAX = 1024 * 1024
"""Lines held for a slow reader: seconds of a busy log, and nothing beside the host's memory."""

BATCH_BYTES_MAX = 64 * 1024
"""Written at once: what a pipe holds."""

NAP_S = 1.0
"""How often the thread looks again while it was asked to, and while a descriptor says that it is full."""

Render = Callable[[bytes], bytes]


class Writer:
    """A bounded line of log lines in front of a descriptor. The thread starts with the first line."""

    def __init__(self, fd: int, note: Callable[[int], bytes], render: Render | None = None) -> None:
        """`note(n)` is the line that says n lines were lost; `render` turns a line into what is written.

        Both are called in the writing thread.
        """
        self.on_turn: Callable[[], bool] = _content
        """Called in the thread after each turn, not under its lock; True asks for another turn within a second."""
        self._fd = fd
        self._note = note
        self._render = render
        self._lines: deque[bytes] = deque()
        self._held_bytes = 0
        self._lost = 0
        self._again = False
        self._woken = False
        self._closing = False
        self._turn = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, line: bytes) -> None:
        """Hand a line over. Returns at once; the line is lost, and counted, where too much is held already."""
        with self._turn:
            if self._closing or self._held_bytes + len(line) > HELD_BYTES_MAX:
                self._lost += 1
                return
            self._lines.append(line)
            self._held_bytes += len(line)
            self._wake()

    def wake(self) -> None:
        """Ask for a turn, as if there were a line."""
        with self._turn:
            self._woken = True
            self._wake()

    def close(self, timeout_s: float) -> None:
        """Write what is held, for at most `timeout_s`, and stop. Lines that come later are lost."""
        with self._turn:
            self._closing = True
            self._turn.notify()
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _wake(self) -> None:
        if self._thread is None and not self._closing:
            # A daemon: a reader that never reads must not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name="dragoman-log", daemon=True)
            self._thread.start()
        else:
            self._turn.notify()

    def _run(self) -> None:
        while True:
            lines, lost, ended = self._next()
            if lost:
                lines.append(self._note(lost))
            if self._render is not None:
                lines = [self._render(line) for line in lines]
            if lines and not self._write(b"".join(lines)):
                return
            if ended:
                return
            again = self.on_turn()
            with self._turn:
                self._again = again

    def _next(self) -> tuple[list[bytes], int, bool]:
        """Wait for lines; the last value is True when nothing can follow."""
        with self._turn:
            if not (self._lines or self._closing or self._lost or self._woken):
                self._turn.wait(NAP_S if self._again else None)
            self._woken = False
            lines: list[bytes] = []
            taken_bytes = 0
            while self._lines and taken_bytes < BATCH_BYTES_MAX:
                lines.append(self._lines.popleft())
                taken_bytes += len(lines[-1])
            self._held_bytes -= taken_bytes
            lost, self._lost = self._lost, 0
            return lines, lost, self._closing and not self._lines

    def _write(self, data: bytes) -> bool:
        """Write everything; False when nobody can ever read it."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                # Somebody else made the shared descriptor non-blocking.
                poll = select.poll()
                poll.register(self._fd, select.POLLOUT)
                with suppress(OSError):
                    poll.poll(NAP_S * 1000)
            except OSError:
                return False
        return True


def _content() -> bool:
    return False
