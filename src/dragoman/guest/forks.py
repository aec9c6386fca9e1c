"""What becomes of a copy of the worker that user code forks off: it loses the wire, and never serves.

`multiprocessing` and `subprocess` go on as usual. A child that returns from the function into the server, or leaves it
by an exception, is ended at once: the answer is the parent's to give.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

_EX_SOFTWARE = 70


class ForkGuard:
    """Knows whether this process is the worker, or a child that user code forked."""

    def __init__(self, wire_fd: int, *on_child: Callable[[], None]) -> None:
        """`on_child` run in every forked child: they must cut what the child may no longer use."""
        self.is_child = False
        self._wire_fd = wire_fd
        self._on_child = on_child
        os.register_at_fork(after_in_child=self._become_child)

    def _become_child(self) -> None:
        if self.is_child:
            return
        self.is_child = True
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.dup2(null, self._wire_fd, inheritable=False)
        finally:
            os.close(null)
        for cut in self._on_child:
            cut()


def leave(error: BaseException | None) -> NoReturn:
    """End a forked child that came out of the function: as `sys.exit` would where it was called, else plainly."""
    status = 0
    try:
        if isinstance(error, SystemExit):
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            status = 1
            sys.excepthook(type(error), error, error.__traceback__)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - whatever user code left broken, this process ends here
        status = status or _EX_SOFTWARE
    finally:
        os._exit(status & 0xFF)
