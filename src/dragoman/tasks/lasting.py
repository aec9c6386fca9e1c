"""Work that a host goes on with for as long as it runs, whatever the store says meanwhile.

What fails is tried again after a pause, which grows while it fails and begins anew once it does not: a store that
fails now and then makes nobody wait for long.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from dragoman.core import backoff
from dragoman.tasks.store import StoreFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PAUSE_S = 0.05


class Work(NamedTuple):
    """One thing to go on with. `step` does it once, and returns what to wait for before the next time.

    What people are told when it cannot be done, with the reason, is `cannot`; `again` when it can.
    """

    step: Callable[[], Awaitable[Awaitable[object]]]
    cannot: str
    again: str


async def lasting(
    work: Work, pause_s_max: float, random: Callable[[], float], trouble: Callable[[str], object]
) -> NoReturn:
    """Do something again and again, until this is cancelled."""
    failures = 0
    while True:
        try:
            rest = await work.step()
        except StoreFailed as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - a mistake of ours, after which tasks must go on all the same
            problem = f"{type(error).__name__}: {error}"
        else:
            if failures:
                trouble(work.again)
            failures = 0
            await rest
            continue
        failures += 1
        if failures == 1:
            trouble(f"{work.cannot}: {problem}")
        await asyncio.sleep(backoff.pause(PAUSE_S, pause_s_max, failures, random))
