"""Prepare, run or load one queue: `python -m bench.peers.queued PEER PLACE prepare | work | flood … | singles …`.

Each peer's module has `prepare(place)`, `work(place)`, which does not return, and `sender(place)`, which gives what
sends one task; where that is asynchronous, so is what it gives.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.runs import LOOK_S, Runs

if TYPE_CHECKING:
    from types import ModuleType

CALLERS = 64
SINGLES_S_MAX = 10.0
"""A peer that polls once a second shows it in ten."""
PAUSE_S = 0.02


def flood(peer: ModuleType, place: str, file: str, seconds: float) -> dict[str, float]:
    """Send from 64 callers for so long: asynchronous where the peer is, else in threads."""
    begun = time.perf_counter()
    until = begun + seconds
    counts = [0] * CALLERS
    if inspect.iscoroutinefunction(peer.sender):
        asyncio.run(_flood_async(peer, place, file, until, counts))
    else:
        send = peer.sender(place)

        def caller(number: int) -> None:
            while time.perf_counter() < until:
                send(file, 0.0)
                counts[number] += 1

        threads = [threading.Thread(target=caller, args=(number,)) for number in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return {"count": sum(counts), "rate_s": sum(counts) / (time.perf_counter() - begun)}


async def _flood_async(peer: ModuleType, place: str, file: str, until: float, counts: list[int]) -> None:
    send = await peer.sender(place)

    async def caller(number: int) -> None:
        while time.perf_counter() < until:
            await send(file, 0.0)
            counts[number] += 1

    await asyncio.gather(*map(caller, range(CALLERS)))


async def singles(peer: ModuleType, place: str, file: str, count: int) -> None:
    """Send one after the other, each when the last has run."""
    found = peer.sender(place)
    send = await found if inspect.isawaitable(found) else found
    runs = Runs(Path(file))
    until = time.monotonic() + SINGLES_S_MAX
    for _ in range(count):
        before = runs.count()
        sent = send(file, time.time())
        if inspect.isawaitable(sent):
            await sent
        while runs.count() == before and time.monotonic() < until + SINGLES_S_MAX:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(LOOK_S)
        await asyncio.sleep(PAUSE_S)
        if time.monotonic() > until:
            break


def main(name: str, place: str, role: str, *rest: str) -> None:
    """Do as told."""
    peer = importlib.import_module(f"bench.peers.queued.{name}")
    said: Any = None
    match role:
        case "prepare":
            peer.prepare(place)
        case "work":
            peer.work(place)
        case "flood":
            said = flood(peer, place, rest[0], float(rest[1]))
        case "singles":
            asyncio.run(singles(peer, place, rest[0], int(rest[1])))
        case _:
            raise SystemExit(f"{role}: expected prepare, work, flood or singles")
    if said is not None:
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
