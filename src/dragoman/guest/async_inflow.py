"""An input stream as an asynchronous function sees it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from dragoman.core.call import Codec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dragoman.contract.intake import Intake
    from dragoman.guest.inflow import Inflow
    from dragoman.guest.line import Line

_CODECS = tuple(Codec)


class AsyncItems:
    """An asynchronous iterator of checked values."""

    def __init__(self, line: Line, inflow: Inflow, intake: Intake) -> None:
        self._line = line
        self._inflow = inflow
        self._intake = intake
        self._position = 0

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        inflow = self._inflow
        while True:
            with self._line.lock:
                frame = inflow.take(self._line)
                if frame is None and inflow.ended:
                    raise StopAsyncIteration
                loop = asyncio.get_running_loop()
                came = loop.create_future() if frame is None else None
                if came is not None:
                    inflow.wake = _waker(loop, came)
            if frame is not None:
                self._position += 1
                return self._intake.read(frame.body, _CODECS[frame.codec], self._position - 1)
            assert came is not None
            await came


def _waker(loop: asyncio.AbstractEventLoop, came: asyncio.Future[None]) -> Callable[[], object]:
    def ring() -> None:
        if not came.done():
            came.set_result(None)

    return lambda: loop.call_soon_threadsafe(ring)
