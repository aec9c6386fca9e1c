"""A consumer: the messages of one queue as calls, each handled once its result is safe. One for all brokers.

What becomes of a message:

    its call has ended       the result is sent and confirmed, then the message is acknowledged
    refused before it began  (no worker, a limit, an open breaker) it is kept in hand, hardly more is fetched, and it is
                             offered again after growing pauses: no attempt of its own
    failed in a way that     it is tried again after growing, random pauses, as often as `attempts` says; a host that
    may pass                 died with it made an attempt, too
    failed otherwise, or     it goes to the dead letters with its problem, and is acknowledged when it is safe there
    for the last time

The broker may be lost at any time, for as long as it likes: calls go on, and what came of them is sent when it is back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dragoman.core.backoff import pause
from dragoman.core.fault import PASSING, Cancelled, Code, Fault, Started, Unavailable
from dragoman.queues.answer import Answers
from dragoman.queues.broker import BrokerLost, Done
from dragoman.queues.calling import Calling
from dragoman.queues.flight import Flight
from dragoman.queues.message import Sending
from dragoman.queues.outbox import Outbox
from dragoman.queues.window import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.core.call import Call, Reply
    from dragoman.core.clock import Timer
    from dragoman.queues.broker import Broker
    from dragoman.queues.intake import Asked
    from dragoman.queues.message import Message
    from dragoman.queues.options import QueueOptions
    from dragoman.queues.surroundings import Door, Surroundings

BATCH = 64
"""Messages fetched at a time: more would keep the loop from everybody else for longer than a few milliseconds."""
HELD_BYTES_MAX = 64 * 1024 * 1024
"""Of bodies in hand, about: as large as the last ones are, so many more are fetched. One always is."""
LARGE_BYTES = 64 * 1024
"""Bodies up to here are not counted: as many as are fetched at most are a quarter of the bound."""
WAITING_MAX = 1000
"""Messages that wait here for another attempt; past it nothing is fetched: so many do not fail for their own sake."""
PAUSE_S, PAUSE_S_MAX = 0.05, 5.0
"""Between offers of what was refused, and between tries to reach the broker."""
RETRY_AFTER_S_MAX = 60.0
"""Whoever refuses may ask for no longer pause than this: nobody else would be told of a worker that is free."""
HELD_MAX = 100
"""Refused messages in hand. While all are refused, one more is fetched at each offer: it may be another that is not."""
REFUSALS_MAX = 100
"""Refusals of a message, each after others went well: it is not the pool that refuses it."""
LASTING_S = 10.0
"""A connection that is lost sooner counts as one that could not be made."""
STEADY_S = 1.0
"""One that has held for so long is worth a line in the log."""
EXTENSIONS = 3
"""In the time of a lease: two of them may be late."""
CLOSE_S = 5.0
"""For a last word to a broker that does not answer: the host is stopping."""


class Consumer:
    """One queue of one host. `run` it until `stop` has ended."""

    def __init__(self, options: QueueOptions, broker: Broker, around: Surroundings) -> None:
        self.options = options
        self.counts: dict[str, int] = dict.fromkeys(
            ("received", "handled", "retried", "refused", "dead", "given_back", "connected", "lost"), 0
        )
        self.up = False
        self.why: str = "not connected yet"
        self._told = ""
        self._steadying: asyncio.TimerHandle | None = None
        self._broker = broker
        self._around = around
        self._calling = Calling(options, around)
        self._answers = Answers(around.service, options.name, events=options.format == "cloudevents")
        self._outbox = Outbox(broker, options.dead, self._answers, around, self.counts)
        self._outbox.on_sent = self._sent
        self._window = Window(options.prefetch, around.clock.monotonic())
        self._flights: dict[object, Flight] = {}
        self._lanes: dict[str, deque[Flight]] = {}
        self._waiting: dict[Flight, Timer] = {}
        self._held: deque[Flight] = deque()
        self._offer_timer: Timer | None = None
        self._refusals = 0
        self._refusing = self._probing = False
        self._largest = LARGE_BYTES
        self._freed = asyncio.Event()
        self._stopping, self._aborted = asyncio.Event(), asyncio.Event()

    def state(self) -> dict[str, object]:
        """What an operator may want to see."""
        return {
            "up": self.up,
            "why": self.why,
            "in_hand": len(self._flights),
            "waiting": len(self._waiting),
            "held": len(self._held),
            "unsent": len(self._outbox),
        }

    async def run(self) -> None:
        """Handle messages until told to stop, whatever becomes of the broker."""
        failures, now = 0, asyncio.get_running_loop().time
        try:
            while not (self._stopping.is_set() and (self._aborted.is_set() or self._idle)):
                begun_at = now()
                try:
                    await self._session()
                except Exception as error:  # noqa: BLE001 - a queue that stops for good is worse than any of them
                    # One that takes connections and then refuses what is asked of it is let rest, too.
                    failures = 1 if now() - begun_at >= LASTING_S else failures + 1
                    self._lost(str(error) if isinstance(error, BrokerLost) else f"{type(error).__name__}: {error}")
                    told = self._aborted if self._stopping.is_set() else self._stopping
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._pause(failures)):
                            await told.wait()
        finally:
            self._drop()
            self._cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._broker.close()
            if self._steadying is not None:
                self._steadying.cancel()
            self.up = False

    def stop(self) -> None:
        """Fetch nothing more, give back what has not begun; `run` ends when what has begun is acknowledged."""
        self._stopping.set()

    def abort(self) -> None:
        """Stop what has begun, too, and give it back."""
        self._stopping.set()
        self._aborted.set()

    @property
    def _idle(self) -> bool:
        return not (self._flights or self._outbox)

    # What comes of a message

    def read(self, message: Message) -> Asked:
        """What a message asks for. Raises a `Fault`."""
        return self._calling.read(message)

    def prepare(self, message: Message, asked: Asked, failures: int) -> tuple[Door, Call]:
        """Whom it asks, and the call that it is, after so many that failed. Raises a `Fault`."""
        if self._broker.delays:
            failures = max(failures, message.deliveries - 1)  # what failed was given back, and has come again
        return self._calling.prepare(message, asked, failures)

    def succeeded(self, flight: Flight, reply: Reply) -> None:
        """Have the result sent, and the message acknowledged after that."""
        call, asked, door = flight.call, flight.asked, flight.door
        assert call is not None, "it has a reply"
        assert asked is not None, "as above"
        assert door is not None, "as above"
        door.meter.finished(None, self._around.clock.monotonic() - call.arrived_at)
        if flight.key not in self._flights:
            return  # given back: it was stopped too late
        self._refusals = 0
        self._refusing = False
        self.counts["handled"] += 1
        options, sendings = self.options, ()
        if options.to and options.becomes == "call":
            body = reply.body if isinstance(reply.body, bytes) else bytes(reply.body)
            sendings = (Sending(options.to, self._answers.result(flight.message, asked, call, body, reply.codec)),)
        self._finish(flight, sendings)

    def failed(self, flight: Flight, fault: Fault) -> None:
        """Decide what becomes of a message whose call has failed, or never was one."""
        if flight.call is not None and flight.door is not None:
            flight.door.meter.finished(fault.code, self._around.clock.monotonic() - flight.call.arrived_at)
        if flight.key not in self._flights:
            return
        if self._stopping.is_set() and isinstance(fault, Cancelled):
            self._return(flight)
        elif self._is_refusal(flight, fault):
            self._hold(flight, fault)
        elif fault.code in self.options.on and flight.message.deliveries < self.options.attempts:
            self._retry(flight, fault)
        else:
            self._bury(flight, fault)

    def _is_refusal(self, flight: Flight, fault: Fault) -> bool:
        """Whether it is the host that could not, and not the call that failed: before it began, for what passes."""
        # Who waited all its time for a worker was refused, too; unless its own time was up before it was a call.
        passing = fault.code in PASSING or (fault.code is Code.DEADLINE_EXCEEDED and flight.call is not None)
        if not passing or (fault.started is not Started.NO and self.options.becomes == "call"):
            return False
        handled = self.counts["handled"]
        if fault.code is not Code.RESOURCE_EXHAUSTED and flight.successes != handled:
            flight.refusals, flight.successes = flight.refusals + 1, handled
        return flight.refusals <= REFUSALS_MAX

    def _hold(self, flight: Flight, fault: Fault) -> None:
        self.counts["refused"] += 1
        if self._stopping.is_set():
            self._return(flight)
            return
        self._held.append(flight)
        self._refusing = True
        if self._offer_timer is None:
            self._refusals += 1
            pause_s = max(self._pause(self._refusals), min(fault.retry_after_s or 0.0, RETRY_AFTER_S_MAX))
            self._offer_timer = self._around.call_later(pause_s, self._offer)

    def _offer(self) -> None:
        """Try again what was refused, until something is refused again."""
        for _ in range(len(self._held)):
            refused = self.counts["refused"]
            self._held.popleft().begin()
            if self.counts["refused"] > refused:
                break
        self._offer_timer = None
        if self._held:
            self._probing = True
            self._offer_timer = self._around.call_later(self._pause(self._refusals), self._offer)
            self._refusals += 1
        self._freed.set()

    def _retry(self, flight: Flight, fault: Fault) -> None:
        options, message = self.options, flight.message
        self.counts["retried"] += 1
        tries = max(message.deliveries, 1)
        delay_s = pause(options.base_s, options.max_s, tries, self._around.random, fault.retry_after_s)
        if self._stopping.is_set() or (self._broker.delays and not message.lane):
            self._return(flight, delay_s)
            return
        message.deliveries = tries + 1
        flight.failures += 1
        self._waiting[flight] = self._around.call_later(delay_s, self._again, flight)
        self._freed.set()

    def _again(self, flight: Flight) -> None:
        del self._waiting[flight]
        flight.begin()

    def _bury(self, flight: Flight, fault: Fault) -> None:
        self.counts["dead"] += 1
        options, message, around = self.options, flight.message, self._around
        fault.service = around.service
        if (call := flight.call) is not None:
            fault.call_id = f"{around.prefix}{call.id:08x}"
            fault.trace_id = "" if call.trace is None else call.trace.trace_id.hex()
            around.listener.failed(call, fault)
        now = around.clock.now()
        sendings = [Sending(options.dead, self._answers.dead(message, fault, now))] if options.dead else []
        if options.faults:
            problem = self._answers.problem(message, flight.asked, flight.call, fault, now)
            sendings.append(Sending(options.faults, problem))
        self._finish(flight, tuple(sendings))

    def _finish(self, flight: Flight, sendings: tuple[Sending, ...]) -> None:
        self._leave(flight)
        self._outbox.put(Done(flight.message, sendings), hurry=not self._flights)

    def _return(self, flight: Flight, delay_s: float = 0.0) -> None:
        """Have it delivered again, to anybody."""
        self.counts["given_back"] += 1
        self._leave(flight)
        self._outbox.give_back(flight.message, delay_s)

    def _leave(self, flight: Flight) -> None:
        self._flights.pop(flight.key, None)
        lane = flight.message.lane
        if not lane:
            return
        line = self._lanes[lane]
        line.remove(flight)
        if not line:
            del self._lanes[lane]
        elif not self._stopping.is_set():
            # Not at once: a line of messages that all fail would be as deep a stack.
            asyncio.get_running_loop().call_soon(self._begin, line[0])

    # The broker

    async def _session(self) -> None:
        """One connection, from its beginning to its end. Raises `BrokerLost`."""
        await self._broker.open()
        self.up, self.why = True, ""
        self.counts["connected"] += 1
        self._steadying = asyncio.get_running_loop().call_later(STEADY_S, self._steady)
        # Before anything is fetched, which may be what is in hand; and kept though what came of it is not taken.
        await self._extend()
        await self._outbox.send()
        receiving = asyncio.ensure_future(self._receive())
        keeping = [asyncio.ensure_future(each) for each in (self._outbox.run(), self._keep())]
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({receiving, stopping, *keeping}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                await ended(receiving)
                await self._drain(keeping)
            for loop in (receiving, *keeping):
                if loop.done() and not loop.cancelled():
                    loop.result()
        finally:
            for loop in (receiving, stopping, *keeping):
                await ended(loop)

    async def _receive(self) -> None:
        while not self._stopping.is_set():
            while (room := self._room()) < 1:
                self._freed.clear()
                await self._freed.wait()
            messages = await self._broker.receive(room)
            self.counts["received"] += len(messages)
            self._largest = max(*(len(message.body) for message in messages), self._largest // 2, LARGE_BYTES)
            for message in messages:
                self._take(message)

    def _room(self) -> int:
        """How many messages to fetch now; none until it is worth it."""
        if self._refusing and self._held:
            probe, self._probing = self._probing and len(self._held) < HELD_MAX, False
            return int(probe)
        if len(self._waiting) >= WAITING_MAX:
            return 0
        ahead = self._window.ahead(self._around.clock.monotonic())
        running = len(self._flights) - len(self._waiting)
        room = self._calling.places() + ahead - running - len(self._outbox)
        # Half of what is ahead may go before more is fetched: batches, and yet nobody stands idle.
        if room < min(BATCH, max(ahead // 2, 1)):
            return 0
        return min(room, BATCH, self._room_bytes()) if self._largest > LARGE_BYTES else min(room, BATCH)

    def _room_bytes(self) -> int:
        """How many messages of the last size there are bytes for; one where nothing is in hand."""
        held = sum(len(flight.message.body) for flight in self._flights.values())
        return max((HELD_BYTES_MAX - held) // self._largest, 0 if self._flights else 1)

    def _take(self, message: Message) -> None:
        key: object = message.id
        if (known := self._flights.get(key)) is not None:
            if message.deliveries > 1:
                # The broker took it for lost, with its connection or its lease, and this host has it in hand.
                known.message.token = message.token
                return
            key = message  # another one, which somebody has named alike
        if self._stopping.is_set():
            self._outbox.give_back(message)
            return
        flight = self._flights[key] = Flight(self, message, key)
        if message.lane:
            line = self._lanes.setdefault(message.lane, deque())
            line.append(flight)
            if len(line) > 1:
                return
        self._begin(flight)

    def _begin(self, flight: Flight) -> None:
        message = flight.message
        if flight.key not in self._flights:
            return  # given back meanwhile
        if message.deliveries > self.options.attempts:
            deliveries = message.deliveries - 1
            detail = f"it was delivered {deliveries} times, and whoever had it died, or never said what came of it"
            self._bury(flight, Unavailable(detail, function=self.options.function))
        else:
            flight.begin()

    def _sent(self, count: int) -> None:
        self._window.done(count)
        self._freed.set()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self.options.lease_s / EXTENSIONS)
            await self._extend()

    async def _extend(self) -> None:
        messages = [flight.message for flight in self._flights.values()]
        messages += self._outbox.messages
        if messages:
            await self._broker.extend(messages)

    async def _drain(self, keeping: Sequence[asyncio.Future[None]]) -> None:
        """Give back what has not begun, wait for what has, and have all of it sent. Raises `BrokerLost`."""
        await self._broker.hold()
        self._drop()
        aborted = asyncio.ensure_future(self._aborted.wait())
        try:
            await self._until_idle(aborted, *keeping)
        finally:
            await ended(aborted)
        if self._aborted.is_set():
            self._cancel()
            try:
                async with asyncio.timeout(CLOSE_S):
                    await self._until_idle(*keeping)
            except TimeoutError:
                raise BrokerLost(f"no answer within {CLOSE_S:g}s") from None

    async def _until_idle(self, *others: asyncio.Future[Any]) -> None:
        """Wait until all is settled, or one of the others has ended: what is cut off on its way is sent twice."""
        while not self._idle and not any(each.done() for each in others):
            self._freed.clear()
            freed = asyncio.ensure_future(self._freed.wait())
            try:
                await asyncio.wait({freed, *others}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await ended(freed)

    def _drop(self) -> None:
        """Give back what has not begun."""
        if self._offer_timer is not None:
            self._offer_timer.cancel()
            self._offer_timer = None
        for timer in self._waiting.values():
            timer.cancel()
        behind = [flight for line in self._lanes.values() for flight in list(line)[1:]]
        idle = dict.fromkeys([*self._waiting, *self._held, *behind])
        self._waiting.clear()
        self._held.clear()
        for flight in idle:
            self._return(flight)

    def _cancel(self) -> None:
        for flight in tuple(self._flights.values()):
            flight.cancel()
        for flight in tuple(self._flights.values()):
            self._return(flight)

    def _steady(self) -> None:
        """The connection has held for a moment."""
        self._told = ""
        self._around.listener.note("info", f"queue {self.options.name}: connected")

    def _lost(self, why: str) -> None:
        if self.up:
            self.counts["lost"] += 1
        if self._steadying is not None:
            self._steadying.cancel()
        if why != self._told:  # the same trouble at each try is told once
            self._told = why
            self._around.listener.note("warning", f"queue {self.options.name}: {why}; trying again until it is back")
        self.up, self.why = False, why

    def _pause(self, failures: int) -> float:
        return pause(PAUSE_S, PAUSE_S_MAX, failures, self._around.random)


async def ended(work: asyncio.Future[Any]) -> None:
    """Have something end, and wait until it has."""
    work.cancel()
    await asyncio.wait((work,))
