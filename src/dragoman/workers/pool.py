"""The workers of one source, and the line of calls that wait for them: the innermost service of every stack.

A call is refused at once when the line is full, before it costs anything. Otherwise it goes to the worker with the
least to do; the supervisor is told when calls wait, and starts more workers or replaces those that died.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dragoman.core.fault import Cancelled, DeadlineExceeded, Draining, Fault, Overloaded, Started, WorkerLost
from dragoman.core.service import Pending
from dragoman.workers.exchange import Exchange
from dragoman.workers.expiry import Expiry
from dragoman.workers.lifecycle import State
from dragoman.workers.lease import Lease
from dragoman.workers.line import WaitLine

if TYPE_CHECKING:
    import asyncio

    from dragoman.core.call import Call
    from dragoman.core.clock import Clock
    from dragoman.core.event import Event
    from dragoman.workers.options import PoolOptions
    from dragoman.workers.outbound import Router
    from dragoman.workers.source import Journal
    from dragoman.workers.worker import Worker

DISPATCHES_MAX = 4
"""How often a call may be handed out when workers die before they begin it; then its caller hears of it."""
STALL_S = 0.005
"""A worker that answers nothing for this long, with calls sent ahead, is asked to give those back."""


class Crew(Protocol):
    """Who hires and buries workers: the supervisor."""

    def wanted(self) -> None:
        """Calls wait and no worker is free."""
        ...

    def refusal(self) -> Fault | None:
        """Why no worker can be had, while none can; else `None`."""
        ...

    def buried(self, worker: Worker) -> None:
        """A worker of this pool is gone."""
        ...

    def let_go(self, worker: Worker, reason: str) -> None:
        """A worker should leave when it has finished what it has."""
        ...


class Pool:
    """Runs calls in the workers that the supervisor gives it."""

    def __init__(  # noqa: PLR0913 - a composition root hands over a pool's ports once
        self,
        source: str,
        options: PoolOptions,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        route: Router,
        journal: Journal,
    ) -> None:
        self.source = source
        self.options = options
        self.loop = loop
        self.clock = clock
        self.route = route
        self.journal = journal
        self.crew: Crew
        self.workers: list[Worker] = []
        self.leases: list[Lease] = []
        self.line = WaitLine(options.queue)
        self.closed = False
        self._expiry = Expiry(loop, clock, self._expire)
        self._watching_stalls = False

    def __call__(self, call: Call) -> Pending:
        """Run a call: a free worker takes it now, or it waits in line, or it is refused."""
        exchange = Exchange(call, self)
        worker = self._pick() or (self._reclaim() if self.leases else None)
        if worker is not None and not len(self.line):
            self._expiry.watch(exchange)
            self._hand(exchange, worker)
        elif (fault := self._refusal(call)) is not None:
            exchange.fail(fault)
        elif self.line.join(exchange):
            self._expiry.watch(exchange)
            self.crew.wanted()
        else:
            exchange.fail(
                Overloaded(
                    f"{self.source} has {len(self.line)} calls waiting and takes no more (queue = {self.options.queue})",
                    function=call.target.name,
                    retry_after_s=1.0,
                )
            )
        return exchange

    def lend(self) -> Lease | None:
        """Lend an idle worker to a thread outside the loop, or none; runs on the loop."""
        if self.closed or len(self.line):
            return None
        for worker in self.workers:
            if not worker.in_flight:
                self.workers.remove(worker)
                lease = Lease(self, worker)
                self.leases.append(lease)
                return lease
        return None

    def take_back(self, lease: Lease, worker: Worker) -> None:
        """Take a lent worker back on the loop."""
        self.leases.remove(lease)
        worker.channel.resume()
        worker.idle_since = lease.used_at
        if worker.state is State.READY:
            self.workers.append(worker)
            self.answered(worker)

    def adopt(self, lease: Lease, worker: Worker, exchange: Exchange) -> None:
        """Take a lent worker back with a call in flight that its borrower began."""
        exchange.worker = worker
        exchange.dispatches = 1
        worker.in_flight[exchange.call.id] = exchange
        self._expiry.watch(exchange)
        self.take_back(lease, worker)

    @property
    def in_flight(self) -> int:
        """Calls that some worker has."""
        return sum(len(worker.in_flight) for worker in self.workers)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not len(self.line) and not self.in_flight and not any(lease.lock.locked() for lease in self.leases)

    def add(self, worker: Worker) -> None:
        """Take a worker that is ready."""
        self.workers.append(worker)
        self.answered(worker)

    def release(self, worker: Worker) -> None:
        """Give a worker no more calls; those it has not begun go to others."""
        if worker in self.workers:
            self.workers.remove(worker)
        worker.revoke_unstarted()
        worker.drain()

    def fail_waiting(self, fault: Fault) -> None:
        """Answer every call in line with a fault: nobody will come for them."""
        while (exchange := self.line.next()) is not None:
            exchange.fail(Fault.of(fault.code, fault.detail, started=Started.NO, retry_after_s=fault.retry_after_s))

    def close(self) -> None:
        """Refuse every call from now on, and let the waiting ones go."""
        self.closed = True
        self.fail_waiting(Draining(f"{self.source} is stopping"))
        self._expiry.close()

    # What workers say

    def heard(self, worker: Worker, call: Call | None, event: Event) -> None:
        """Pass on what a call said, to the journal and to its caller."""
        self.journal.event(self.source, worker.pid, call, event)
        if call is not None and call.on_event is not None:
            call.on_event(event)

    def leaving(self, worker: Worker) -> None:
        """Let a worker go that asks for it."""
        self.crew.let_go(worker, "it asked to leave")

    def answered(self, worker: Worker) -> None:
        """Give a worker as many calls as it has room for."""
        if worker.state is not State.READY:
            return
        line = self.line
        room = worker.window - len(worker.in_flight)
        while room > 0 and (exchange := line.next()) is not None:
            self._hand(exchange, worker)
            room -= 1
        if not worker.in_flight:
            worker.idle_since = self.clock.monotonic()

    def returned(self, exchange: Exchange) -> None:
        """Put a call that was given back at the front of the line, or hand it to a free worker."""
        exchange.worker = None
        worker = self._pick()
        if worker is not None and not worker.in_flight:
            self._hand(exchange, worker)
        else:
            self.line.rejoin(exchange)
            self.crew.wanted()

    def lost(self, worker: Worker, begun: list[Exchange], unstarted: list[Exchange]) -> None:
        """Bury a worker: calls that it had not begun go to others, the others' callers hear what happened."""
        if worker in self.workers:
            self.workers.remove(worker)
        for exchange in reversed(unstarted):
            if exchange.dispatches < DISPATCHES_MAX and not self.closed:
                self.returned(exchange)
            else:
                detail = f"workers of {self.source} died {exchange.dispatches} times before they began this call"
                exchange.conclude(WorkerLost(detail, started=Started.NO))
        if begun:
            self.loop.create_task(self._explain(worker, begun))
        self.crew.buried(worker)

    async def _explain(self, worker: Worker, begun: list[Exchange]) -> None:
        reason = await worker.epitaph()
        for exchange in begun:
            name = exchange.call.target.name
            exchange.conclude(
                WorkerLost(f"{name}: the worker died in mid-call ({reason})", started=Started.YES, function=name)
            )

    # What callers and the clock say

    def stop(self, exchange: Exchange) -> None:
        """The caller left: take the call out of the line, or have its worker stop it."""
        name = exchange.call.target.name
        self._end_early(exchange, Cancelled(f"{name} was cancelled by its caller", function=name))

    def _expire(self, exchange: Exchange) -> None:
        call = exchange.call
        timeout_s = call.deadline - call.arrived_at
        name = call.target.name
        if exchange.worker is None:
            detail = f"{name} waited its whole {timeout_s:g}s timeout for a free worker"
        else:
            detail = f"{name} ran past its {timeout_s:g}s timeout"
        self._end_early(exchange, DeadlineExceeded(detail, function=name))

    def _end_early(self, exchange: Exchange, fault: Fault) -> None:
        worker = exchange.worker
        if worker is None:
            fault.started = Started.NO
            exchange.conclude(fault)
            self.line.leave()
        else:
            fault.started = Started.YES if worker.has_begun(exchange.call.id) else Started.NO
            worker.give_up(exchange, fault)

    # Who works

    def _refusal(self, call: Call) -> Fault | None:
        if self.closed:
            return Draining(f"{self.source} is stopping", function=call.target.name)
        return None if self.workers else self.crew.refusal()

    def _reclaim(self) -> Worker | None:
        for lease in self.leases:
            if lease.reclaim():
                return self._pick()
        return None

    def _pick(self) -> Worker | None:
        best, fewest = None, 1 << 30
        for worker in self.workers:
            flying = len(worker.in_flight)
            if not flying:
                return worker
            if flying < worker.window and flying < fewest:
                best, fewest = worker, flying
        return best

    def _hand(self, exchange: Exchange, worker: Worker) -> None:
        worker.dispatch(exchange)
        if not self._watching_stalls and len(worker.in_flight) > self.options.concurrency:
            self._watching_stalls = True
            self.loop.call_later(STALL_S, self._check_stalls, {worker: worker.answers for worker in self.workers})

    def _check_stalls(self, before: dict[Worker, int]) -> None:
        self._watching_stalls = False
        ahead = False
        for worker in self.workers:
            if len(worker.in_flight) > self.options.concurrency:
                ahead = True
                if before.get(worker) == worker.answers:
                    worker.slow_down()
        if ahead:
            self._watching_stalls = True
            self.loop.call_later(STALL_S, self._check_stalls, {worker: worker.answers for worker in self.workers})
