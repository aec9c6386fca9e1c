"""The host's line to its spawner, as far as the confinement does not show it."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

from dragoman.sandbox import order as orders
from dragoman.sandbox.line import Line
from dragoman.sandbox.order import Order


def ignore(*_: object) -> None: ...


async def test_the_end_of_the_spawner_is_told_once_and_orders_are_refused_from_then_on() -> None:
    lost = asyncio.Event()
    line = Line()
    line.attach(asyncio.get_running_loop(), ignore, lost.set)
    os.kill(line.pid, signal.SIGKILL)
    await asyncio.wait_for(lost.wait(), 10)
    assert line.lost
    with pytest.raises(BrokenPipeError, match="the spawner ended"):
        await line.order(b"", [0])
    line.post(orders.REMOVE + b"1")
    line.close(1)


async def test_orders_that_wait_for_a_stopped_spawner_fail_when_it_is_killed(seen: Any) -> None:
    line = Line()
    line.attach(asyncio.get_running_loop(), ignore, ignore)
    os.kill(line.pid, signal.SIGSTOP)
    order = Order(1, (("true",), ""), {}, "/", (0, 0, 0, 0, 0), ()).pack()
    tasks = [asyncio.ensure_future(line.order(order, [0])) for _ in range(600)]
    await seen.soon(lambda: any(task.done() for task in tasks))
    os.kill(line.pid, signal.SIGKILL)
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    assert results[0] is None
    assert isinstance(results[-1], BrokenPipeError)
    line.close(1)


def test_a_spawner_that_does_not_end_is_killed_when_its_time_is_up(seen: Any) -> None:
    line = Line()
    os.kill(line.pid, signal.SIGSTOP)
    line.close(0.05)
    assert not seen.alive(line.pid)
