"""Whether a client is still there that the application keeps waiting: nobody else would tell."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from starlette.types import Receive


@contextlib.contextmanager
def told_when_gone(receive: Receive, gone: Callable[[], object]) -> Generator[None]:
    """Have `gone` called when the client leaves meanwhile, and at the end in any case."""
    waiting = asyncio.ensure_future(_until_gone(receive))
    waiting.add_done_callback(lambda _: gone())
    try:
        yield
    finally:
        waiting.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
