"""Processes that end with the demo, however it ends: the kernel is asked to see to it."""

from __future__ import annotations

import os
import signal
import subprocess
from functools import partial
from typing import TYPE_CHECKING, Any

from dragoman.sandbox.prctl import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Sequence


def leashed(
    command: Sequence[object], *, ends_by: signal.Signals = signal.SIGKILL, **options: Any
) -> subprocess.Popen[Any]:
    """Start a process, which is sent a signal as soon as the thread that starts it has ended: the main one, here."""
    end = partial(end_with, os.getpid(), ends_by)
    return subprocess.Popen(
        [str(each) for each in command],
        preexec_fn=end,  # noqa: PLW1509 - one call that takes no lock, and there is no other way
        **options,
    )


def end_with(parent: int, number: signal.Signals) -> None:
    """Have this process be sent a signal where its parent dies, or has died."""
    die_with_parent(number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)
