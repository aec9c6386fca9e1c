import asyncio
from typing import Any

from dragoman.core.call import Reply
from dragoman.core.clock import SystemClock
from dragoman.workers.exchange import Exchange
from dragoman.workers.expiry import SLACK, Expiry
from tests.workers.peer import make_call, until

NOBODY: Any = None
CLOCK = SystemClock()


class Watch:
    """An expiry over exchanges that the test keeps."""

    def __init__(self) -> None:
        self.live: dict[int, Exchange] = {}
        self.expired: list[tuple[Exchange, float]] = []
        self.expiry = Expiry(asyncio.get_running_loop(), CLOCK, lambda: self.live, self._expire)

    def _expire(self, exchange: Exchange) -> None:
        self.expired.append((exchange, CLOCK.monotonic()))
        del self.live[exchange.call.id]

    def add(self, **call: Any) -> Exchange:
        exchange = Exchange(make_call(**call), NOBODY)
        self.live[exchange.call.id] = exchange
        self.expiry.watch(exchange.call)
        return exchange


async def test_calls_expire_at_their_deadlines_in_order() -> None:
    watch = Watch()
    late, early = watch.add(timeout_s=0.04), watch.add(timeout_s=0.02)
    await until(lambda: len(watch.expired) == 2)
    assert [exchange for exchange, _ in watch.expired] == [early, late]
    assert all(at >= exchange.call.deadline for exchange, at in watch.expired)
    assert len(watch.expiry) == 0


async def test_a_call_that_is_over_or_gone_does_not_expire() -> None:
    watch = Watch()
    answered, gone, last = watch.add(timeout_s=0.01), watch.add(timeout_s=0.01), watch.add(timeout_s=0.02)
    answered.resolve(Reply(b""))
    del watch.live[gone.call.id]
    await until(lambda: watch.expired)
    assert [exchange for exchange, _ in watch.expired] == [last]


async def test_a_call_without_a_deadline_is_not_watched() -> None:
    watch = Watch()
    watch.add()
    assert len(watch.expiry) == 0


async def test_what_is_over_does_not_pile_up() -> None:
    watch = Watch()
    for _ in range(20 * SLACK):
        del watch.live[watch.add(timeout_s=60).call.id]
    assert len(watch.expiry) <= 4 * SLACK
    watch.expiry.close()


async def test_closed_it_expires_nothing() -> None:
    watch = Watch()
    watch.add(timeout_s=0.01)
    watch.expiry.close()
    probe = Watch()
    probe.add(timeout_s=0.02)
    await until(lambda: probe.expired)
    assert not watch.expired
