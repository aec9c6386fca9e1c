"""Orders that wait for a process that does not read."""

from __future__ import annotations

import asyncio
import errno
import os
import socket

import pytest

from dragoman.sandbox import order as orders
from dragoman.sandbox.packets import Packets

PAIR = socket.AF_UNIX, socket.SOCK_SEQPACKET


async def test_orders_past_what_the_kernel_holds_follow_in_their_turn() -> None:
    ours, theirs = socket.socketpair(*PAIR)
    packets = Packets(ours)
    packets.attach(asyncio.get_running_loop(), lambda: None)
    with theirs:
        sent = [asyncio.ensure_future(packets.order(b"%d" % number, [0])) for number in range(1000)]
        await asyncio.sleep(0)
        assert not sent[-1].done()
        theirs.settimeout(0.0)
        got: list[bytes] = []
        while len(got) < len(sent):
            try:
                data, ancillary, _, _ = theirs.recvmsg(64, socket.CMSG_SPACE(64))
            except BlockingIOError:
                await asyncio.sleep(0)
                continue
            os.close(int.from_bytes(ancillary[0][2][:4], "little"))
            got.append(data)
        assert got == [orders.START + b"%d" % number for number in range(1000)]
        await asyncio.gather(*sent)
    packets.close(BrokenPipeError(errno.EPIPE, "closed"))


async def test_orders_that_still_wait_fail_when_it_is_closed() -> None:
    ours, theirs = socket.socketpair(*PAIR)
    packets = Packets(ours)
    packets.attach(asyncio.get_running_loop(), lambda: None)
    with theirs:
        sent = [asyncio.ensure_future(packets.order(b"", [0])) for _ in range(1000)]
        await asyncio.sleep(0)
        packets.post(b"may be lost")
        packets.close(BrokenPipeError(errno.EPIPE, "it was closed"))
        with pytest.raises(BrokenPipeError, match="it was closed"):
            await sent[-1]
        await asyncio.gather(*sent, return_exceptions=True)
