from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.call import Codec
from dragoman.core.fault import FailedPrecondition, Overloaded, Started
from dragoman.workers.knot import held_by, untangle
from dragoman.workers.outbound import GuestCall
from tests.workers.peer import answer_of, make_call

if TYPE_CHECKING:
    from dragoman.core.call import Call
    from dragoman.core.service import Pending
    from tests.workers.conftest import Open
    from tests.workers.peer import Peer, Shop


async def start(shop: Shop, peer: Peer, function: str) -> tuple[Call, Pending]:
    """A call that its worker has begun."""
    call = make_call(function)
    pending = shop.pool(call)
    peer.begin(await peer.call())
    return call, pending


def nest(shop: Shop, caller: Call, function: str = "inner") -> tuple[GuestCall, Pending]:
    """A call that the function of another makes, of the same source."""
    asked = GuestCall(f"s.{function}", b"{}", Codec.JSON, Codec.JSON, 0.0, None, caller.depth + 1, caller)
    call = make_call(function)
    call.depth = asked.depth
    asked.tie(call)
    return asked, shop.pool(call)


async def test_a_call_that_waits_for_its_own_callers_worker_is_refused(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    outer, _ = await start(here, peer, "outer")
    _, waiting = nest(here, outer)
    assert held_by(here.pool) == [outer]
    untangle(here.pool)
    fault = await answer_of(waiting)
    assert isinstance(fault, FailedPrecondition)
    assert fault.detail.startswith("s.outer → s.inner: every worker of s waits for this very call (workers.max = 2")
    assert (fault.started, fault.function, len(here.pool.line)) == (Started.NO, "s.inner", 0)


async def test_where_several_hold_each_other_up_the_newest_is_refused(shop: Open) -> None:
    here = shop()
    peers = [await here.hire() for _ in range(2)]
    outer = [(await start(here, peer, "outer"))[0] for peer in peers]
    _, older = nest(here, outer[0])
    untangle(here.pool)
    assert not older.done, "the other worker runs something of its own"
    asked, newer = nest(here, outer[1])
    untangle(here.pool)
    assert isinstance(await answer_of(newer), Overloaded)
    asked.untie()
    untangle(here.pool)
    assert not older.done, "the caller of the one that was refused goes on"


async def test_a_pool_that_can_still_grow_is_not_stuck(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    outer, _ = await start(here, peer, "outer")
    _, waiting = nest(here, outer)
    here.crew.full = False
    untangle(here.pool)
    assert not waiting.done


async def test_a_caller_that_waits_for_something_that_runs_is_not_stuck(shop: Open) -> None:
    here, there = shop(), shop()
    peer, other = await here.hire(), await there.hire()
    outer, _ = await start(here, peer, "outer")
    _, running = nest(there, outer, "runs")
    _, waiting = nest(here, outer)
    untangle(here.pool)
    assert not waiting.done, "its worker has not begun it"
    frame = await other.call()
    other.begin(frame)
    untangle(here.pool)
    assert not waiting.done, "it runs"
    assert not running.done


async def test_a_pool_with_a_place_left_is_not_stuck(shop: Open) -> None:
    here = shop(concurrency=2)
    peer = await here.hire()
    outer, _ = await start(here, peer, "outer")
    assert held_by(here.pool) is None
    asked, waiting = nest(here, outer)
    peer.begin(await peer.call())
    assert held_by(here.pool) == [outer, asked.call]
    _, behind = nest(here, outer)
    untangle(here.pool)
    assert not waiting.done
    assert not behind.done, "what runs beside it will make room"


async def test_nothing_is_sent_ahead_behind_the_call_that_waits_for_it(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    peer.worker.window = 8
    outer, _ = await start(here, peer, "outer")
    other = here.pool(make_call("other"))
    assert not len(here.pool.line)
    nest(here, outer)
    assert here.pool.line.newest_nested is not None
    assert not other.done
