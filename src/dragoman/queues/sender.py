"""Sending what comes of messages, to brokers that confirm each message by itself: what was confirmed is not sent again.

What could not all be sent is sent again as a whole, and most of it may have been confirmed the first time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from dragoman.core.fault import Fault
from dragoman.queues.broker import Done, Unfit
from dragoman.queues.message import Outgoing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dragoman.queues.message import Sending

BYTES_PER_S = 1024 * 1024
"""What is sent is given longer, by its size: as slow as a link between data centres gets."""

Publish: TypeAlias = Callable[[str, Outgoing], Awaitable[Fault | str]]
"""Sends one message to a place: empty where it is confirmed, the fault of what never will be, else why not yet."""


class Sent(NamedTuple):
    """What was sent and confirmed, what never will be, and why the rest was not; empty where there is no rest."""

    done: list[Done]
    unfit: list[Unfit]
    why: str


class Sender:
    """Sends by `publish`, and knows what was confirmed for as long as that may come again."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._confirmed: set[tuple[str, str]] = set()

    async def send(self, done: Sequence[Done]) -> Sent:
        """Send side by side; what one message has to send, one after the other. Raises what `publish` raises."""
        self._keep(done)
        outcomes = await asyncio.gather(*(self._send(each.sendings) for each in done))
        both = list(zip(done, outcomes, strict=True))
        unfit = [Unfit(each, outcome) for each, outcome in both if isinstance(outcome, Fault)]
        why = next((outcome for outcome in outcomes if outcome and not isinstance(outcome, Fault)), "")
        if not why:
            self._keep(each.done for each in unfit)
        return Sent([each for each, outcome in both if not outcome], unfit, why)

    async def _send(self, sendings: Iterable[Sending]) -> Fault | str:
        for place, outgoing in sendings:
            if outgoing.id and (place, outgoing.id) in self._confirmed:
                continue
            if outcome := await self._publish(place, outgoing):
                return outcome
            self._confirmed.add((place, outgoing.id))
        return ""

    def _keep(self, done: Iterable[Done]) -> None:
        """Forget all but what was confirmed of these."""
        if self._confirmed:
            self._confirmed &= {(place, outgoing.id) for each in done for place, outgoing in each.sendings}


def seconds_for(done: Iterable[Done]) -> float:
    """How much longer than for nothing it may take to send all this."""
    return sum(len(outgoing.body) for each in done for _, outgoing in each.sendings) / BYTES_PER_S
