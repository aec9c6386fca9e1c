"""Calls from threads outside the loop, by the shortest way there is.

`DirectService` is what a blocking caller's stack ends at in place of the pool: it runs a call in a lent worker, in the
calling thread, and only where that cannot be goes through the loop's.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from dragoman.core.fault import Draining, Fault
from dragoman.core.service import Pending, Service, settle
from dragoman.workers.crossing import CLOSED, run_on_loop, tell_loop, wait_for_loop

if TYPE_CHECKING:
    import asyncio

    from dragoman.core.call import Call
    from dragoman.core.clock import Clock
    from dragoman.workers.lease import Lease
    from dragoman.workers.pool import Pool

RETRY_S = 0.05
"""Asking the loop for a worker costs as much as a call: after a no it is not asked again for this long."""


class DirectService:
    """A pool as seen from outside its loop. The pending replies it gives are settled already."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._lease: Lease | None = None
        self._elsewhere = ThroughLoop(pool, pool.loop)
        self._ask_at = 0.0

    def __call__(self, call: Call) -> Pending:
        """Run the call; blocks until it has an answer, or its stream has begun."""
        if not call.target.streaming and call.input is None:
            lease = self._lease
            if lease is None or lease.worker is None:
                lease = self._lease = self._borrow()
            if lease is not None and (pending := lease.call(call)) is not None:
                return pending
        return self._elsewhere(call)

    def _borrow(self) -> Lease | None:
        now = self._clock.monotonic()
        if now < self._ask_at:
            return None
        self._ask_at = now + RETRY_S

        async def lend() -> Lease | None:
            return self._pool.lend()

        return run_on_loop(self._pool.loop, lend())


class ThroughLoop:
    """Any service, run on its loop for a thread that waits."""

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._loop = loop

    def __call__(self, call: Call) -> Pending:
        """Run the call; blocks until it has an answer, or its stream has begun.

        A waiter that is interrupted cancels it. Raises `Draining` where the loop has ended.
        """
        done = threading.Event()
        answers: list[Pending] = []

        def begin() -> None:
            try:
                pending = settle(self._service(call))
            except Exception as error:  # noqa: BLE001 - whatever it is, the thread that waits must hear of it
                pending = Pending.failed(Fault.internal(f"{type(error).__name__}: {error}"))
            answers.append(pending)
            pending.then(lambda _: done.set())

        if not tell_loop(self._loop, begin):
            raise Draining(CLOSED)
        try:
            wait_for_loop(done, self._loop)
        except BaseException:
            tell_loop(self._loop, lambda: [each.abandon() for each in answers])
            raise
        return answers[0]
