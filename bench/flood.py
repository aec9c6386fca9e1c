"""Calls of one asyncio program with so many in flight: `python -m bench.flood NAME SECONDS`.

A process apart, as in `bench.caller`. One connection carries them all, on either side of the comparison.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from bench.servers import ROOT
from bench.workload import SMALL, TEXT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bench.outcome import Sample

IN_FLIGHT = 64
WARM_UP_SHARE = 0.3


async def native(stack: AsyncExitStack) -> Callable[[], Awaitable[Any]]:
    """Dragoman's async client."""
    import dragoman  # noqa: PLC0415 - only where it is measured
    from bench.native import served  # noqa: PLC0415 - as above

    url, _ = stack.enter_context(served())
    remote = await stack.enter_async_context(dragoman.connect(url))
    return lambda: remote.call("functions.mirror", {"text": TEXT})


async def grpc(stack: AsyncExitStack) -> Callable[[], Awaitable[Any]]:
    """Grpcio's async client, of a threaded server."""
    from bench.peers.grpc_unix import grpc_aio  # noqa: PLC0415 - it starts threads, and takes a while to import

    return await stack.enter_async_context(grpc_aio(SMALL))


async def measure(open_calls: Any, expected: Any, seconds: float) -> Sample:
    """Calls a second; raises `RuntimeError` where an answer is not the expected one."""
    async with AsyncExitStack() as stack:
        call = await open_calls(stack)
        await _run(call, expected, seconds * WARM_UP_SHARE)
        began = time.perf_counter()
        done = await _run(call, expected, seconds)
        return {"rate_s": done / (time.perf_counter() - began)}


async def _run(call: Callable[[], Awaitable[Any]], expected: Any, seconds: float) -> int:
    until = time.perf_counter() + seconds

    async def lane() -> int:
        done = 0
        while time.perf_counter() < until:
            if (answer := await call()) != expected:
                raise RuntimeError(f"answered {answer!r:.200}")
            done += 1
        return done

    return sum(await asyncio.gather(*(lane() for _ in range(IN_FLIGHT))))


CONTESTANTS: dict[str, tuple[Any, Any]] = {"native": (native, TEXT), "grpc": (grpc, SMALL)}


def main(name: str, seconds: float) -> None:
    """Measure one contestant and print its figure as JSON."""
    os.chdir(ROOT)
    import uvloop  # noqa: PLC0415 - an extra of the machine that measures

    opened, expected = CONTESTANTS[name]
    runner = uvloop.run if name == "native" else asyncio.run
    print(json.dumps(runner(measure(opened, expected, seconds))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
