"""Troubles made on purpose: what a call that was chosen for a rehearsal brings upon the worker that gets it."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any, Protocol

from dragoman.core.ordeal import Ordeal, Trouble
from dragoman.workers.lifecycle import State

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Container

    from dragoman.core.call import Call
    from dragoman.sandbox.confinement import Process

KIND_AT = 5
"""Where a frame's header says what it is."""


class Sufferer(Protocol):
    """A worker that was given a call."""

    state: State
    process: Process

    @property
    def in_flight(self) -> Container[int]:
        """The ids of the calls that it has."""
        ...

    @property
    def owner(self) -> Any:
        """Whoever it belongs to: has a `loop`, and can `exhaust` what is around it."""
        ...


def suffer(worker: Sufferer, call: Call, header: bytes, body: bytes | memoryview) -> tuple[bytes, bytes | memoryview]:
    """Do to a worker, or to the frame of a call that is about to be sent to it, what the call brings; once.

    A worker is struck when the frame has left: it may have begun the call by then, or not, as when it dies by itself.
    """
    ordeal, call.ordeal = call.ordeal, None
    if ordeal is None:
        return header, body
    loop: asyncio.AbstractEventLoop = worker.owner.loop
    if ordeal.trouble is Trouble.DROP:
        return b"", b""
    if ordeal.trouble is Trouble.CORRUPT:
        return header[:KIND_AT] + bytes((header[KIND_AT] ^ 0x80,)) + header[KIND_AT + 1 :], body
    if ordeal.trouble in {Trouble.MEMORY, Trouble.CPU}:
        worker.owner.exhaust(ordeal)
    else:
        loop.call_soon(strike, worker, call.id, ordeal)
    return header, body


def strike(worker: Sufferer, call_id: int, ordeal: Ordeal) -> None:
    """Kill a worker, or stop it, while it has the call."""
    if worker.state is State.GONE or call_id not in worker.in_flight:
        return
    if ordeal.trouble is Trouble.KILL:
        worker.process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker.process.pid, signal.SIGSTOP)
