"""The thread that minds the wire while user code has the main thread.

Nearly every call is over before its first tick, so the main thread reads for itself and hands nothing over: a hand-off
costs 20 to 40 µs, more than a call. Only a call that is still running at a tick has its wire read here. After a second
without calls the thread sleeps until the next one; while calls are short it costs fifty looks a second.
"""

from __future__ import annotations

import os
import select
from _thread import allocate_lock, start_new_thread
from time import monotonic
from typing import Protocol

TICK_S = 0.02
"""How late a ping is answered, or a cancel seen, while user code runs: well within anyone's patience for either."""
IDLE_TICKS = 50
"""Ticks without a call before the watcher goes to sleep: one second."""
_EX_SOFTWARE = 70


class Watched(Protocol):
    """The server, as its watcher sees it."""

    def running_since(self) -> tuple[int, float]:
        """The call that runs, 0 for none, and when it began, on the monotonic clock. Under no lock."""
        ...

    def attend(self, call: int) -> bool:
        """Send, read and answer without blocking while `call` runs; false once it does not. Takes the line's lock."""
        ...

    def try_sleep(self) -> bool:
        """If no call runs, note that the watcher sleeps and must be woken by the next."""
        ...


class Watcher:
    """Reads the wire while a call runs long."""

    def __init__(self, server: Watched, fd: int) -> None:
        self._server = server
        self._fd = fd
        self._bell = allocate_lock()
        self._bell.acquire()
        self._rung = False

    def start(self) -> None:
        """Start the thread. It dies with the process."""
        start_new_thread(self._run_or_die, ())

    def wake(self) -> None:
        """Look at the wire now. Under the line's lock."""
        if not self._rung:
            self._rung = True
            self._bell.release()

    def _run_or_die(self) -> None:
        try:
            self._run()
        finally:
            # A defect, or no memory left: better no worker than one that no ping or cancel can reach.
            os._exit(_EX_SOFTWARE)

    def _run(self) -> None:
        server = self._server
        last_began_at, quiet = 0.0, 0
        while True:
            rung = self._bell.acquire(timeout=TICK_S)
            if rung:
                self._rung = False
            call, began_at = server.running_since()
            if call and (rung or monotonic() - began_at >= TICK_S / 2):
                self._mind(call)
            quiet = quiet + 1 if began_at == last_began_at and not call else 0
            last_began_at = began_at
            if quiet > IDLE_TICKS:
                quiet = 0
                if server.try_sleep():
                    self._bell.acquire()
                    self._rung = False

    def _mind(self, call: int) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        while self._server.attend(call):
            poll.poll(TICK_S * 1000)
