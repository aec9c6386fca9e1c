"""What has come for one blocking call, and the gates where its threads wait for more."""

from __future__ import annotations

import socket
import threading
from collections import deque
from typing import TYPE_CHECKING

from dragoman.client.wired import fault_of
from dragoman.core.fault import Cancelled
from dragoman.wire.frame import Kind

if TYPE_CHECKING:
    from dragoman.client.feed import Feed
    from dragoman.core.fault import Fault
    from dragoman.wire.frame import Frame

_FAULT = int(Kind.FAULT)


class Slot:
    """What has come for one call. While its thread is `waiting`, `gate` is released for news, or for it to read on."""

    __slots__ = ("fault", "feed", "frame", "function", "gate", "items", "room", "sent", "waiting")

    def __init__(self, function: str) -> None:
        self.function = function
        self.frame: Frame | None = None
        self.fault: Fault | None = None
        self.items: deque[tuple[int, bytes]] = deque()
        self.feed: Feed | None = None
        self.room: threading.Lock | None = None
        self.sent = False
        self.waiting = False
        self.gate = shut()

    @property
    def ready(self) -> bool:
        """Whether there is anything to take."""
        return self.frame is not None or self.fault is not None or bool(self.items)

    def answer(self) -> tuple[int, bytes]:
        """The reply's codec and body. Raises the call's `Fault`, or what its input raised."""
        frame = self.frame
        if frame is not None and frame.kind != _FAULT:
            return frame.codec, frame.body
        if self.feed is not None and self.feed.error is not None:
            raise self.feed.error from None
        if frame is not None:
            raise fault_of(frame, self.function)
        raise self.fault or Cancelled("the call was given up", function=self.function)

    def wake(self) -> None:
        """Let the threads that wait look again: the caller's, and the one that feeds its input."""
        release(self.gate)
        if self.room is not None:
            release(self.room)


def hand_over(sock: socket.socket, data: bytes | memoryview, slot: Slot | None) -> int:
    """Send for a call, or for none; how many bytes the kernel took. Raises `OSError` where it took nothing."""
    earlier = True
    if slot is not None:
        # Said before it is so: whoever reads may learn that the connection has ended before this thread goes on.
        earlier, slot.sent = slot.sent, True
    try:
        return sock.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    except OSError:
        if slot is not None:
            slot.sent = earlier
        raise


def shut() -> threading.Lock:
    """A gate that nobody passes before its `release`."""
    lock = threading.Lock()
    lock.acquire()
    return lock


def release(lock: threading.Lock) -> None:
    """Let one thread through a gate, now or when it comes. No lock is taken: the collector may be who does this."""
    if lock.locked():
        try:
            lock.release()
        except RuntimeError:  # another thread was quicker
            return
