"""Bounded waits for a library that talks to a server: none outlasts its time, and no cancel is lost in one.

One can be: `asyncio.wait_for` of Python 3.11 forgets a cancel that comes in the turn of what it waits for
(https://github.com/python/cpython/issues/86296), and a library may catch one on its way. Whoever cancelled then waits
for an end that never comes.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@asynccontextmanager
async def within(seconds: float) -> AsyncGenerator[None]:
    """Have what is done in this take no longer. Raises `TimeoutError`, and a cancel that was swallowed at its end."""
    task = asyncio.current_task()
    assert task is not None, "it is awaited"
    before = task.cancelling()
    try:
        async with asyncio.timeout(seconds):
            yield
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        if task.cancelling() > before:
            raise asyncio.CancelledError from error
        raise
    if task.cancelling() > before:
        raise asyncio.CancelledError
