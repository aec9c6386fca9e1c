"""What is ready to go back to a broker: messages with what came of them, and messages that somebody else is to have.

It outlives connections: what could not be sent is sent on the next one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dragoman.queues.broker import Done
from dragoman.queues.message import Sending

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.queues.answer import Answers
    from dragoman.queues.broker import Broker, Unfit
    from dragoman.queues.message import Message
    from dragoman.queues.surroundings import Surroundings

BATCH = 64
"""Messages that are sent without waiting for more."""
GATHER_S = 0.002
"""What ends within it is sent together, unless nothing else runs: a step of the server costs more than a message."""


class Outbox:
    """Sends what is ready, as long as it `run`s. `dead` is the place of dead letters; empty for none."""

    def __init__(
        self, broker: Broker, dead: str, answers: Answers, around: Surroundings, counts: dict[str, int]
    ) -> None:
        """`counts` are kept for its owner: of the dead letters that are made here, of what a broker could not take."""
        self._counts = counts
        self.on_sent: Callable[[int], object] = lambda _: None
        """Told how many messages are settled."""
        self._broker = broker
        self._dead = dead
        self._answers = answers
        self._around = around
        self._done: list[Done] = []
        self._back: list[tuple[Message, float]] = []
        self._on_its_way = 0
        self._gathering: asyncio.TimerHandle | None = None
        self._ready = asyncio.Event()

    def __len__(self) -> int:
        """How many messages are not settled yet."""
        return len(self._done) + len(self._back) + self._on_its_way

    @property
    def messages(self) -> list[Message]:
        """The messages whose results are not sent yet."""
        return [done.message for done in self._done if done.message is not None]

    def put(self, done: Done, *, hurry: bool) -> None:
        """Have something sent, and its message acknowledged: now, or with what else is ready in a moment."""
        self._done.append(done)
        if hurry or len(self._done) >= BATCH:
            self._ready.set()
        elif self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(GATHER_S, self._gathered)

    def give_back(self, message: Message, delay_s: float = 0.0) -> None:
        """Have a message delivered again, to anybody."""
        self._back.append((message, delay_s))
        self._ready.set()

    async def run(self) -> None:
        """Send whatever is ready. Raises `BrokerLost`."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            await self.send()

    async def send(self) -> None:
        """Have all that is ready sent and acknowledged, or given back. Raises `BrokerLost`."""
        while self._done or self._back:
            done, self._done = self._done, []
            back, self._back = self._back, []
            settled = self._on_its_way = len(done) + len(back)
            try:
                unfit = await self._broker.finish(done) if done else ()
                done = []
                while back:
                    delay_s = back[0][1]
                    await self._broker.give_back([each for each, later_s in back if later_s == delay_s], delay_s)
                    back = [each for each in back if each[1] != delay_s]
            except BaseException:
                self._done[:0], self._back[:0] = done, back
                raise
            finally:
                self._on_its_way = 0
            for each in unfit:
                self._refit(each)
            self.on_sent(settled)

    def _gathered(self) -> None:
        self._gathering = None
        self._ready.set()

    def _refit(self, unfit: Unfit) -> None:
        """Make a dead letter of what its broker will never take; and of a dead letter, a smaller one."""
        (message, sendings), fault = unfit
        self._around.listener.note("error", fault.detail)
        letters = [each for each in sendings if each.place == self._dead]
        if message is None or not self._dead:
            self._done.append(Done(message))
        elif not letters:
            self._counts["dead"] += 1
            letter = self._answers.dead(message, fault, self._around.clock.now())
            self._done.append(Done(message, (Sending(self._dead, letter),)))
        elif len(sendings) > 1:
            self._done.append(Done(message, tuple(letters)))
        else:
            smaller = self._answers.smaller(letters[0].outgoing)
            self._done.append(Done(message, () if smaller is None else (Sending(self._dead, smaller),)))
