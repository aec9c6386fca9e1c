"""Stopping a synchronous function from outside, with an exception raised in the main thread.

A real-time signal aimed at the main thread carries it: its Python handler runs in that thread and in no other, so it
can look whether user code is running and raise only then, and the signal wakes a thread that sleeps in a system call.
`PyThreadState_SetAsyncExc` would do neither: it lets a `time.sleep(60)` finish, and may hit the server's own loop.
"""

from __future__ import annotations

import signal
from _thread import RLock, get_ident
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

SIGNAL = signal.SIGRTMIN + 7
"""Real-time signals have no fixed meaning, and libraries that take one start counting at either end."""


class CallCancelled(BaseException):
    """The call that is running was cancelled.

    Not an `Exception`, so that `except Exception` does not swallow it; `finally` and `with` run as ever.
    """


class Target(Protocol):
    """Whose main thread is struck. `struck` asks for the exception, `exposed` says that user code runs there now."""

    exposed: bool
    struck: bool
    interrupted: bool


class Interrupter:
    """Raises `CallCancelled` in the main thread: only while user code runs there, and once a call."""

    def __init__(self, target: Target, lock: RLock) -> None:
        """Build it in the main thread, which becomes the one that strikes hit.

        While that thread holds `lock` it is in the guest's own code, in the middle of a frame perhaps: such a strike
        misses, and is to be repeated.
        """
        self._target = target
        # `threading.Condition` asks in the same way; the stubs do not know it.
        self._is_sealed: Callable[[], bool] = getattr(lock, "_is_owned")  # noqa: B009 - see above
        self._main = get_ident()
        signal.signal(SIGNAL, self._hit)

    def strike(self) -> None:
        """Ask for the exception, from any thread; `target.interrupted` says whether it was raised."""
        self._target.struck = True
        signal.pthread_kill(self._main, SIGNAL)

    def _hit(self, _signal: int, _frame: FrameType | None) -> None:
        target = self._target
        if target.struck and target.exposed and not self._is_sealed():
            target.struck = target.exposed = False
            target.interrupted = True
            raise CallCancelled
