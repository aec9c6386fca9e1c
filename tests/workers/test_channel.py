import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from dragoman.workers.channel import JOIN_BYTES_MAX, Channel
from tests.workers.peer import until


class Ends:
    """A channel and the plain socket at its other end."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        self.theirs.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self.got: list[bytes] = []
        self.lost = 0
        self.channel = Channel(ours, asyncio.get_running_loop(), self.got.append, self._lose)

    def _lose(self) -> None:
        self.lost += 1

    def read(self) -> bytes:
        try:
            return self.theirs.recv(1 << 20)
        except BlockingIOError:
            return b""

    async def read_exactly(self, size: int) -> bytes:
        data = bytearray()

        def more() -> bool:
            data.extend(self.read())
            return len(data) >= size

        await until(more)
        return bytes(data)

    def close(self) -> None:
        self.channel.close()
        self.theirs.close()


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    made = Ends()
    yield made
    made.close()


async def test_parts_arrive_in_order_by_the_end_of_the_turn(ends: Ends) -> None:
    ends.channel.send(b"a", b"bc")
    ends.channel.send(b"d")
    assert ends.read() == b""
    assert not ends.channel.idle
    assert await ends.read_exactly(4) == b"abcd"
    assert ends.channel.idle


async def test_a_flush_sends_at_once(ends: Ends) -> None:
    ends.channel.send(b"now")
    ends.channel.flush()
    assert ends.read() == b"now"


@pytest.mark.parametrize("waiting", [b"", b"first, "])
async def test_what_is_handed_over_is_sent_at_once_after_what_waits(ends: Ends, waiting: bytes) -> None:
    if waiting:
        ends.channel.send(waiting)
    ends.channel.hand(b"head ", memoryview(b"body"))
    assert ends.read() == waiting + b"head body"


async def test_what_is_handed_over_waits_where_the_kernel_is_full_or_the_socket_is_lent(ends: Ends) -> None:
    count = 0
    while not ends.channel.blocked:
        ends.channel.hand(b"%8d" % count, bytes(JOIN_BYTES_MAX))
        count += 1
    ends.channel.hand(b"%8d" % count, b"last")
    data = await ends.read_exactly(count * (8 + JOIN_BYTES_MAX) + 12)
    assert data[-12:] == b"%8dlast" % count
    await until(lambda: ends.channel.idle and not ends.channel.blocked)
    ends.channel.pause()
    ends.channel.hand(b"la", b"ter")
    assert ends.read() == b""
    ends.channel.resume()
    assert await ends.read_exactly(5) == b"later"


async def test_what_is_handed_to_nobody_is_dropped_and_the_end_is_told(ends: Ends) -> None:
    ends.theirs.send(b"last words")
    ends.theirs.shutdown(socket.SHUT_RD)
    ends.channel.hand(b"x", b"y")
    ends.channel.hand(b"into", b"the void")
    assert ends.channel.idle
    await until(lambda: ends.lost)
    assert b"".join(ends.got) == b"last words"


@pytest.mark.parametrize("sizes", [[8 << 20], [JOIN_BYTES_MAX] * 200, [1] * 5000, [0, 3 << 20, 0, 7]])
async def test_more_than_the_kernel_holds_arrives_whole(ends: Ends, sizes: list[int]) -> None:
    parts = [bytes([index % 251]) * size for index, size in enumerate(sizes)]
    ends.channel.send(*parts)
    ends.channel.flush()
    assert ends.channel.blocked is (sum(sizes) > 1 << 20)
    whole = b"".join(parts)
    assert await ends.read_exactly(len(whole)) == whole
    await until(lambda: ends.channel.idle and not ends.channel.blocked)


async def test_what_comes_in_is_passed_on_and_the_end_is_told_once(ends: Ends) -> None:
    ends.theirs.send(b"hello")
    await until(lambda: ends.got)
    ends.theirs.close()
    await until(lambda: ends.lost)
    ends.channel.close()
    ends.channel.read()
    assert (b"".join(ends.got), ends.lost) == (b"hello", 1)


async def test_what_the_other_side_said_last_is_read_though_it_hears_nothing_any_more(ends: Ends) -> None:
    ends.theirs.send(b"last words")
    ends.theirs.shutdown(socket.SHUT_RD)
    ends.channel.send(b"x")
    ends.channel.flush()
    ends.channel.send(b"into the void")
    assert ends.channel.idle
    await until(lambda: ends.lost)
    assert b"".join(ends.got) == b"last words"


async def test_paused_it_leaves_the_socket_to_somebody_else(ends: Ends) -> None:
    ends.channel.pause()
    ends.channel.send(b"later")
    ends.channel.flush()
    ends.theirs.send(b"mine")
    await asyncio.sleep(0)
    assert ends.channel.sock.recv(10) == b"mine"
    assert (ends.got, ends.read()) == ([], b"")
    ends.channel.resume()
    assert await ends.read_exactly(5) == b"later"
    ends.theirs.send(b"yours")
    await until(lambda: ends.got)


async def test_hanging_up_ends_a_read_in_another_thread(ends: Ends) -> None:
    ends.channel.pause()
    ends.channel.sock.setblocking(True)  # noqa: FBT003 - the standard library's signature
    reading = asyncio.create_task(asyncio.to_thread(ends.channel.sock.recv, 10))
    ends.channel.hang_up()
    assert await asyncio.wait_for(reading, 5) == b""
