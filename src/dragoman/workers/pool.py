"""The workers of one source, and the line of calls that wait for them: the innermost service of every stack.

A call is refused at once when the line is full, before it costs anything. Otherwise it goes to the worker with the
least to do; the supervisor is told when calls wait, and starts more workers or replaces those that died.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Protocol

from dragoman.core.call import callers_of
from dragoman.core.fault import Cancelled, DeadlineExceeded, Draining, Fault, Overloaded, Started, WorkerLost
from dragoman.core.service import Pending, settle
from dragoman.workers.exchange import Exchange
from dragoman.workers.expiry import Expiry
from dragoman.workers.lease import Lease
from dragoman.workers.lifecycle import State
from dragoman.workers.line import WaitLine

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from dragoman.core.call import Call
    from dragoman.core.clock import Clock
    from dragoman.core.event import Event
    from dragoman.core.ordeal import Ordeal
    from dragoman.core.service import Service
    from dragoman.workers.options import PoolOptions
    from dragoman.workers.outbound import Router
    from dragoman.workers.source import Journal
    from dragoman.workers.worker import Worker

DEATHS_MAX = 4
"""How many workers may die with a call that they had not begun; then its caller hears of it."""
ATTEND_S = 0.0002
"""How often workers are looked at while calls are refused: every ten refusals or so, for an idle read of 1 µs each."""
STALL_S = 0.005
"""A worker that answers nothing for this long, with calls sent ahead, is asked to give those back."""
EPITAPH_S = 0.25
"""How long callers of a worker that died wait to hear its exit code."""


class Crew(Protocol):
    """Who hires and buries workers: the supervisor."""

    def wanted(self) -> None:
        """Calls wait and no worker is free."""
        ...

    @property
    def full(self) -> bool:
        """Whether there are as many workers as there may be, and none of them is just starting."""
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

    def inspect(self, worker: Worker) -> None:
        """A worker is back that was lent: it may be due to leave."""
        ...

    def exhaust(self, ordeal: Ordeal) -> None:
        """Memory or processors are to be scarce for a while."""
        ...

    def spent(self, worker: Worker) -> None:
        """A single-use worker has been given its call, or has answered it."""
        ...


class Pool:
    """Runs calls in the workers that the supervisor gives it."""

    def __init__(
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
        self.taken = 0
        self.recycle_calls = math.inf if options.single_use else options.recycle_calls or math.inf
        self._successor: Service | None = None
        self._leaving: set[Worker] = set()
        self._mourned: dict[Worker, list[Exchange]] = {}
        self._expiry = Expiry(loop, clock, self._live, self._expire)
        self._watching_stalls = False
        self._attended_at = 0.0

    def __call__(self, call: Call) -> Pending:
        """Run a call: a free worker takes it now, or it waits in line, or it is refused."""
        if not call.depth:
            self.taken += 1
        worker = self._pick() or (self._reclaim() if self.leases else None)
        if worker is not None and not len(self.line) and not (call.depth and behind_caller(call, worker)):
            exchange = Exchange(call, self)
            if call.ties is not None:
                call.ties.place = exchange
            self._expiry.watch(call)
            self._hand(exchange, worker)
            return exchange
        return self._queue(call)

    def lend(self) -> Lease | None:
        """Lend an idle worker to a thread outside the loop, or none; runs on the loop."""
        if self.closed or self._successor is not None or len(self.line) or self.options.single_use:
            return None
        for worker in self.workers:
            if worker.lendable:
                self.workers.remove(worker)
                lease = Lease(self, worker)
                self.leases.append(lease)
                return lease
        return None

    def take_back(self, lease: Lease, worker: Worker, exchange: Exchange | None = None) -> None:
        """Take a lent worker back on the loop, with the call in flight that its borrower began, if there is one."""
        self.leases.remove(lease)
        worker.lent = False
        worker.idle_since = lease.used_at
        if exchange is not None:
            exchange.worker = worker
            worker.keep(exchange)
            self._expiry.watch(exchange.call)
        worker.channel.resume()
        worker.give_back()
        if worker.state is State.READY and not worker.retired:
            self.workers.append(worker)
            self.answered(worker)
            self.crew.inspect(worker)

    @property
    def in_flight(self) -> int:
        """Calls that some worker has."""
        return sum(len(worker.in_flight) for worker in (*self.workers, *self._leaving))

    @property
    def offered(self) -> int:
        """Calls that came so far, those aside that functions have made; workers that are lent tell of theirs."""
        return self.taken + sum(lease.worker.calls for lease in self.leases if lease.worker is not None)

    @property
    def at_work(self) -> int:
        """Single-use workers that run their call; other workers are none."""
        return sum(1 for worker in self._leaving if worker.in_flight) if self.options.single_use else 0

    @property
    def staff(self) -> list[Worker]:
        """Workers that calls may hold."""
        return [*self.workers, *self._leaving] if self.options.single_use else self.workers

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
            self._leaving.add(worker)
        worker.retired = True
        worker.revoke_unstarted()
        worker.drain()

    def retire(self, successor: Service) -> None:
        """Finish what is here; calls that still come, from somebody who looked this pool up before, go elsewhere."""
        self._successor = successor

    def fail_waiting(self, fault: Fault) -> None:
        """Answer every call in line with a fault: nobody will come for them."""
        while (exchange := self.line.next()) is not None:
            name = exchange.call.target.name
            exchange.fail(
                type(fault)(fault.detail, started=Started.NO, retry_after_s=fault.retry_after_s, function=name)
            )

    @property
    def moved(self) -> bool:
        """Whether calls that still come are not for its own workers."""
        return self.closed or self._successor is not None

    def refuse(self, exchange: Exchange, fault: Fault) -> None:
        """Answer a call in line with a fault."""
        self.line.leave(exchange)
        exchange.conclude(fault)

    def close(self) -> None:
        """Refuse every call from now on, and let the waiting ones go."""
        self.closed = True
        self.fail_waiting(Draining(f"{self.source} is stopping"))

    def forget(self) -> None:
        """Every worker is gone: whoever still waits for an answer gets it now."""
        for worker in list(self._mourned):
            self.explain(worker)
        self._expiry.close()

    # What workers say

    def heard(self, worker: Worker, call: Call | None, event: Event) -> None:
        """Pass on what a call said, to the journal and to its caller."""
        self.journal.event(self.source, worker.pid, call, event)
        if call is not None and call.on_event is not None:
            with contextlib.suppress(Exception):  # the caller's own listener: its failure is not the worker's
                call.on_event(event)

    def leaving(self, worker: Worker) -> None:
        """Let a worker go that asks for it."""
        self.crew.let_go(worker, "it asked to leave")

    def exhaust(self, ordeal: Ordeal) -> None:
        """Have memory or processors taken away."""
        self.crew.exhaust(ordeal)

    def answered(self, worker: Worker) -> None:
        """Give a worker as many calls as it has room for."""
        if worker.state is not State.READY:
            if self.options.single_use and worker.state is State.DRAINING and not worker.in_flight:
                self.crew.spent(worker)
            return
        if worker.calls >= self.recycle_calls:
            self.crew.let_go(worker, f"it has run {worker.calls} calls")
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
        self._rejoin(exchange)
        self._serve_line()

    def lost(self, worker: Worker, begun: list[Exchange], unstarted: list[Exchange]) -> None:
        """Bury a worker: calls that it had not begun go to others, the others' callers hear what happened."""
        if worker in self.workers:
            self.workers.remove(worker)
        self._leaving.discard(worker)
        if begun:
            self._mourned[worker] = begun
            if worker.stopping_reason:
                self.explain(worker)
            else:
                self.loop.call_later(EPITAPH_S, self.explain, worker)
        for exchange in reversed(unstarted):
            exchange.deaths += 1
            if exchange.deaths < DEATHS_MAX:
                self._rejoin(exchange)
            else:
                name = exchange.call.target.name
                detail = f"{exchange.deaths} workers of {self.source} died before they began this call"
                exchange.conclude(WorkerLost(detail, started=Started.NO, function=name))
        self._serve_line()
        self.crew.buried(worker)

    def explain(self, worker: Worker) -> None:
        """Tell the callers of a worker that died why it did, as far as that is known by now."""
        reason = worker.stopping_reason or "it closed its connection"
        for exchange in self._mourned.pop(worker, ()):
            name = exchange.call.target.name
            detail = f"{name}: the worker died in mid-call ({reason})"
            exchange.conclude(WorkerLost(detail, started=Started.YES, function=name))

    # What callers and the clock say

    def stop(self, exchange: Exchange) -> None:
        """The caller left: take the call out of the line, or have its worker stop it."""
        name = exchange.call.target.name
        self._end_early(exchange, Cancelled(f"{name} was cancelled by its caller", function=name))

    def _expire(self, exchange: Exchange) -> None:
        call = exchange.call
        timeout_s = call.deadline - call.arrived_at
        name = call.target.name
        worker = exchange.worker
        if worker is not None and worker.has_begun(call.id):
            detail = f"{name} ran past its {timeout_s:g}s timeout"
        else:
            detail = f"{name} waited its whole {timeout_s:g}s timeout for a free worker"
        self._end_early(exchange, DeadlineExceeded(detail, function=name))

    def _end_early(self, exchange: Exchange, fault: Fault) -> None:
        worker = exchange.worker
        if worker is None:
            fault.started = Started.NO
            self.line.leave(exchange)
            exchange.conclude(fault)
        elif worker.state is State.GONE:
            fault.started = Started.YES
            exchange.conclude(fault)
        else:
            # It was sent ahead and has not begun; whether it does before it can be asked back is not known yet.
            fault.started = Started.YES if worker.has_begun(exchange.call.id) else Started.UNKNOWN
            worker.give_up(exchange, fault)

    def _live(self) -> dict[int, Exchange]:
        """Every call in line or in flight, by id."""
        live = dict(self.line.waiting)
        for worker in (*self.workers, *self._leaving):
            live.update(worker.in_flight)
        for exchanges in self._mourned.values():
            live.update((exchange.call.id, exchange) for exchange in exchanges)
        return live

    # Who works

    def _queue(self, call: Call) -> Pending:
        """Take a call that no worker is free for."""
        if self._successor is not None:
            return settle(self._successor(call))
        if (fault := self._refusal(call)) is not None:
            return Pending.failed(fault)
        exchange = Exchange(call, self)
        line, loser = self.line, None
        if not line.join(exchange):
            loser = line.displace(exchange)
            if loser is None:
                self.attend()
                return Pending.failed(self._overload(call.target.name))
            line.join(exchange)
        if call.ties is not None:
            call.ties.place = exchange
        self._expiry.watch(call)
        self.crew.wanted()
        if loser is not None:
            loser.conclude(self._overload(loser.call.target.name, ", and one that matters more took this one's place"))
        return exchange

    def _overload(self, name: str, why: str = "") -> Overloaded:
        waiting, queue = len(self.line), self.options.queue
        detail = f"{self.source} has {waiting} calls waiting and takes no more (queue = {queue}){why}"
        return Overloaded(detail, function=name, retry_after_s=1.0)

    def attend(self) -> None:
        """Look at the workers between refusals, of the pool or of a layer around it.

        A turn of the loop that turns thousands away takes long, and a worker that has finished would stand idle.
        """
        now = self.clock.monotonic()
        if now - self._attended_at > ATTEND_S:
            self._attended_at = now
            for worker in tuple(self.workers):
                if worker.in_flight:
                    worker.channel.read()

    def _rejoin(self, exchange: Exchange) -> None:
        exchange.worker = None
        if self.closed:
            exchange.conclude(Draining(f"{self.source} is stopping", function=exchange.call.target.name))
        else:
            self.line.rejoin(exchange)

    def _serve_line(self) -> None:
        """Hand calls that came back to workers that have nothing to do."""
        while waiting := len(self.line):
            worker = self._pick()
            if worker is not None and not worker.in_flight:
                self.answered(worker)
            if len(self.line) >= waiting:
                self.crew.wanted()
                return

    def _refusal(self, call: Call) -> Fault | None:
        if self.closed:
            return Draining(f"{self.source} is stopping", function=call.target.name)
        fault = None if self.workers else self.crew.refusal()
        if fault is not None:
            fault.function = call.target.name
        return fault

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
        if self.options.single_use:
            if worker.in_flight:
                self._spend(worker)
            return
        if not self._watching_stalls and len(worker.in_flight) > self.options.concurrency:
            self._watch_stalls(self.workers)

    def _spend(self, worker: Worker) -> None:
        """See that a worker gets no second call: it is told to leave with its first."""
        self.workers.remove(worker)
        self._leaving.add(worker)
        worker.retired = True
        worker.drain()
        self.crew.spent(worker)

    def _watch_stalls(self, workers: Iterable[Worker]) -> None:
        self._watching_stalls = True
        at_work = {worker: worker.running() for worker in workers}
        self.loop.call_later(STALL_S, self._check_stalls, at_work)

    def _check_stalls(self, before: dict[Worker, tuple[int, ...]]) -> None:
        """Have workers that are still at the calls that they were at give back what was sent ahead."""
        self._watching_stalls = False
        ahead = [worker for worker in self.workers if len(worker.in_flight) > self.options.concurrency]
        for worker in ahead:
            if worker.running() == before.get(worker):
                worker.slow_down()
        if ahead:
            self._watch_stalls(ahead)


def behind_caller(call: Call, worker: Worker) -> bool:
    """Whether a call would be sent ahead to the worker of one that waits for it: that could only give it back."""
    if len(worker.in_flight) < worker.owner.options.concurrency:
        return False
    return any(caller.id in worker.in_flight for caller in callers_of(call))
