"""The host's end of a zygote, against one that does as it is told here."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.sandbox import order as orders
from dragoman.sandbox.child import Child
from dragoman.sandbox.confinement import Launch
from dragoman.sandbox.forking import ForkConfinement

PATIENCE_S = 10.0


class Zygote:
    """The other end: takes orders by hand."""

    def __init__(self) -> None:
        ours, self.sock = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(0.0)
        self.forking = ForkConfinement(ours)
        self.wire, self._theirs = socket.socketpair()

    async def order(self) -> tuple[asyncio.Task[Child], socket.socket]:
        """Have a child ordered; the order's task and the child's line to its host."""
        task: asyncio.Task[Child] = asyncio.ensure_future(self.forking.start(Launch(), self._theirs.fileno()))
        await asyncio.sleep(0)
        _, fds, _, _ = socket.recv_fds(self.sock, 4096, 8)
        control, *rest = fds
        for fd in rest:
            os.close(fd)
        return task, socket.socket(fileno=control)

    def close(self) -> None:
        self.forking.lost()
        for each in (self.sock, self.wire, self._theirs):
            each.close()


@pytest.fixture
async def zygote() -> AsyncIterator[Zygote]:
    """One, gone at the end."""
    made = Zygote()
    yield made
    made.close()


def let_go(child: Child) -> None:
    os.close(child.stdout_fd)
    os.close(child.stderr_fd)


async def test_a_child_lives_from_started_to_ended(zygote: Zygote) -> None:
    task, control = await zygote.order()
    with control:
        control.send(orders.answer(orders.STARTED, 4711))
        child = await asyncio.wait_for(task, PATIENCE_S)
        assert child.pid == 4711
        assert zygote.forking.unanswered_s() == 0.0
        control.send(orders.answer(orders.ENDED, 3, 0))
        assert (await child.wait()).status == 3
    assert not zygote.forking.children
    let_go(child)


async def test_an_order_that_is_not_carried_out_is_told_by_its_age(zygote: Zygote) -> None:
    task, control = await zygote.order()
    with control:
        begun = asyncio.get_running_loop().time()
        await asyncio.sleep(0)
        assert 0.0 < zygote.forking.unanswered_s() <= asyncio.get_running_loop().time() - begun + 1.0
        control.send(orders.answer(orders.FAILED, errno.EAGAIN, 0, "cannot fork: there are enough"))
        with pytest.raises(OSError, match="there are enough"):
            await asyncio.wait_for(task, PATIENCE_S)
        assert zygote.forking.unanswered_s() == 0.0
        assert not zygote.forking.broken


async def test_a_kill_that_is_not_carried_out_is_told_by_its_age(zygote: Zygote, seen: Any) -> None:
    task, control = await zygote.order()
    with control:
        control.send(orders.answer(orders.STARTED, 4711))
        child = await asyncio.wait_for(task, PATIENCE_S)
        child.kill()
        await seen.soon(lambda: zygote.forking.unanswered_s() > 0.0)
        assert control.recv(16) == orders.KILL
    zygote.forking.lost()
    assert (await child.wait()).status == -9
    let_go(child)


async def test_the_end_of_a_zygote_is_the_end_of_its_children(zygote: Zygote) -> None:
    task, control = await zygote.order()
    waiting, other = await zygote.order()
    with control, other:
        control.send(orders.answer(orders.STARTED, 4711))
        child = await asyncio.wait_for(task, PATIENCE_S)
        zygote.forking.lost()
        assert (await child.wait()).status == -9
        with pytest.raises(ChildProcessError):
            await waiting
        with pytest.raises(BrokenPipeError):
            await zygote.forking.start(Launch(), 0)
    let_go(child)


async def test_a_zygote_that_hangs_up_is_broken(zygote: Zygote, seen: Any) -> None:
    zygote.sock.close()
    await seen.soon(lambda: zygote.forking.broken)
    with pytest.raises(BrokenPipeError):
        await zygote.forking.start(Launch(), 0)


async def test_a_start_that_is_given_up_leaves_no_descriptor(zygote: Zygote) -> None:
    before = open_files()
    task, control = await zygote.order()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert control.recv(16) == orders.KILL
    control.send(orders.answer(orders.STARTED, 4711))
    control.send(orders.answer(orders.ENDED, -9, 0))
    await zygote.forking.aclose()
    control.close()
    assert open_files() == before


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
