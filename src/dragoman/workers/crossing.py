"""From a thread to a loop in another, and back: every wait is bounded by the life of that loop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from dragoman.core.fault import Draining

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Coroutine

LOOK_S = 1.0
"""How often a thread that waits for a loop looks whether there still is one."""
CLOSED = "this project was closed before the call had its answer"

Result = TypeVar("Result")


def tell_loop(loop: asyncio.AbstractEventLoop, act: Callable[[], object]) -> bool:
    """Run `act` on the loop, soon; false where the loop has ended, and with it all that `act` could be about."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(act)
        return True
    return False


def wait_for_loop(settled: threading.Event, loop: asyncio.AbstractEventLoop) -> None:
    """Wait until the loop has settled something. Raises `Draining` where it ends before."""
    while not settled.wait(LOOK_S):
        if loop.is_closed():
            raise Draining(CLOSED)


def run_on_loop(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on the loop and wait for its result; it is cancelled where the waiting is interrupted.

    Raises `Draining` where the loop ends before.
    """
    try:
        future = asyncio.run_coroutine_threadsafe(work, loop)
    except RuntimeError:
        work.close()
        raise Draining(CLOSED) from None
    while True:
        try:
            return future.result(LOOK_S)
        except TimeoutError:
            if future.done():
                raise
            if loop.is_closed():
                raise Draining(CLOSED) from None
        except BaseException:
            future.cancel()
            raise
