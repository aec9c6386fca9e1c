"""What a forked copy of a process must not touch: the parent goes on using it.

Servers that fork their workers (gunicorn, uWSGI, multiprocessing) copy open clients and hosts with everything else:
two processes would then write to one socket, and each read the other's answers.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """Something that holds sockets, threads or locks."""

    def leave_to_parent(self) -> None:
        """This is a forked copy: let go of what the parent uses, without closing it or saying a word on it."""
        ...


_HELD: weakref.WeakSet[Forkable] = weakref.WeakSet()


def tell_at_fork(held: Forkable) -> None:
    """Have `leave_to_parent` called in every process that is forked from this one while `held` lives."""
    _HELD.add(held)


def _leave_all() -> None:
    for held in tuple(_HELD):
        held.leave_to_parent()


os.register_at_fork(after_in_child=_leave_all)
