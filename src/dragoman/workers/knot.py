"""Knots: calls that wait for a worker which is kept busy by calls that wait for them.

A pool is stuck where following what waits for what leads nowhere else: all its places are held by calls that wait,
those for lines of pools that are stuck as well. One call that runs anything of its own, or one pool that can still
grow, and it is not. Then the newest call in line that a function made, of the least important ones, is refused, and its
caller's worker goes on: whoever cannot be helped hears so now, not at the deadline. What cannot be told (which of many
calls of one worker makes another, who waits before a function inside the host) counts as running; there the deadline
decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from dragoman.core.call import callers_of
from dragoman.core.fault import FailedPrecondition, Fault, Overloaded, Started
from dragoman.workers.exchange import Exchange

if TYPE_CHECKING:
    from dragoman.core.call import Call
    from dragoman.workers.pool import Pool

RETRY_S = 1.0
"""When the other calls of a knot, which may have ended by then, are worth another try."""


def untangle(pool: Pool) -> None:
    """Refuse a call in the pool's line if nothing else can bring it a worker."""
    exchange = pool.line.newest_nested
    if exchange is None:
        return
    held = held_by(pool)
    if held is not None and is_stuck(held):
        pool.refuse(exchange, refusal(pool, exchange.call, held))


def held_by(pool: Pool) -> list[Call] | None:
    """The calls that hold all places of a pool; `None` where there is one free, or may be any moment."""
    if pool.moved or pool.leases or not pool.crew.full:
        return None
    calls: list[Call] = []
    for worker in pool.staff:
        if pool.options.single_use and not worker.in_flight:
            continue  # it has answered, and is on its way out
        begun = worker.begun()
        exchanges = [worker.in_flight[call_id] for call_id in begun]
        if len(exchanges) < pool.options.concurrency or any(exchange.over for exchange in exchanges):
            return None
        calls.extend(exchange.call for exchange in exchanges)
    return calls


def is_stuck(calls: list[Call]) -> bool:
    """Whether none of these calls can end: each waits for others, and those for places that such calls hold."""
    todo = list(calls)
    seen: set[Call] = set()
    pools: set[Pool] = set()
    while todo:
        call = todo.pop()
        if call in seen:
            continue
        seen.add(call)
        if call.ties is None or not call.ties.waits_for:
            return False
        for awaited in call.ties.waits_for:
            behind = ahead_of(awaited, pools)
            if behind is None:
                return False
            todo.extend(behind)
    return True


def ahead_of(awaited: Call, pools: set[Pool]) -> list[Call] | None:
    """What must end before this call can; `None` where it may move by itself. Each pool is looked at once."""
    place = awaited.ties.place if awaited.ties is not None else None
    if not isinstance(place, Exchange):
        return [awaited]
    if place.over:
        return None
    awaited = place.call  # which is another, where several are sent as one
    if place.worker is not None:
        return [awaited] if place.worker.has_begun(awaited.id) else None
    pool = cast("Pool", place.stopper)
    if not pool.line.holds_nested(awaited.id):
        return None
    if pool in pools:
        return []
    pools.add(pool)
    return held_by(pool)


def refusal(pool: Pool, call: Call, held: list[Call]) -> Fault:
    """What the function hears that made the call."""
    callers = callers_of(call)
    chain = " → ".join(each.target.name for each in (*reversed(callers), call))
    options, source = pool.options, pool.source
    bound = f"workers.max = {options.workers_max}, concurrency = {options.concurrency}"
    if set(held) <= set(callers):
        detail = f"{chain}: every worker of {source} waits for this very call ({bound})"
        advice = f"give {source} more workers, or call the function itself, without ctx.call"
        return FailedPrecondition(f"{detail}; {advice}", started=Started.NO, function=call.target.name)
    detail = f"{chain}: every worker of {source} waits for calls that wait for one ({bound})"
    return Overloaded(f"{detail}; give {source} more workers", retry_after_s=RETRY_S, function=call.target.name)
