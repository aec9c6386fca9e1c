"""A child's states, driven from the keeper's end of its socket."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterator

import pytest
import uvloop

from dragoman.sandbox import order as orders
from dragoman.sandbox.child import Child
from dragoman.sandbox.confinement import Exit


@pytest.fixture
def keeper() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


async def test_started_then_ended(keeper: tuple[socket.socket, socket.socket]) -> None:
    child = Child(1, keeper[0], -1, -1)
    keeper[1].send(orders.answer(orders.STARTED, 4711))
    await asyncio.wait_for(child.started, 5)
    assert (child.pid, child.ended) == (4711, False)
    keeper[1].send(orders.answer(orders.ENDED, 3, 1))
    assert await asyncio.wait_for(child.wait(), 5) == Exit(3)
    assert (child.survived, child.ended) == (True, True)


def test_all_that_a_keeper_has_said_is_heard_though_it_left_an_order_unread(
    keeper: tuple[socket.socket, socket.socket],
) -> None:
    async def told() -> Exit:
        child = Child(1, keeper[0], -1, -1)
        child.kill()
        keeper[1].send(orders.answer(orders.STARTED, 4711))
        keeper[1].send(orders.answer(orders.ENDED, 3))
        keeper[1].close()  # which resets the socket: uvloop tells of that once, and of nothing after it
        return await asyncio.wait_for(child.wait(), 5)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(told()) == Exit(3)


async def test_a_failed_start_raises_what_the_keeper_met(keeper: tuple[socket.socket, socket.socket]) -> None:
    child = Child(1, keeper[0], -1, -1)
    keeper[1].send(orders.answer(orders.FAILED, errno.ENOENT, 0, "no such thing"))
    with pytest.raises(FileNotFoundError, match="no such thing"):
        await asyncio.wait_for(child.started, 5)
    assert child.ended


async def test_a_keeper_that_vanishes_waits_for_the_sweep(keeper: tuple[socket.socket, socket.socket]) -> None:
    child = Child(1, keeper[0], -1, -1)
    keeper[1].close()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(child.wait(), 0.05)
    child.swept()
    assert await child.wait() == Exit(-9)
    with pytest.raises(ChildProcessError):
        await child.started


async def test_without_keeper_and_spawner_nothing_is_waited_for(keeper: tuple[socket.socket, socket.socket]) -> None:
    child = Child(1, keeper[0], -1, -1)
    child.bereave()
    keeper[1].close()
    assert await asyncio.wait_for(child.wait(), 5) == Exit(-9)


async def test_a_keeper_that_does_not_answer_a_kill_is_reported_again_and_again(
    keeper: tuple[socket.socket, socket.socket],
) -> None:
    child = Child(1, keeper[0], -1, -1)
    stuck: list[int] = []
    twice = asyncio.Event()

    def tell(one: Child) -> None:
        stuck.append(one.id)
        if len(stuck) == 2:
            twice.set()

    child.on_stuck = tell
    child.kill()
    assert keeper[1].recv(10) == orders.KILL
    await asyncio.wait_for(twice.wait(), 5)
    child.swept()


async def test_giving_up_a_start_that_was_never_ordered_ends_it(keeper: tuple[socket.socket, socket.socket]) -> None:
    child = Child(1, keeper[0], *os.pipe())
    child.abandon(ordered=False)
    assert await child.wait() == Exit(-9)
