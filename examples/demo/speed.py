"""How fast a function answers over HTTP, alone and with company."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import time
from dataclasses import dataclass

ANSWER_S_MAX = 60.0
ALONE_S = 0.4
TOGETHER_S = 1.0
CONNECTIONS = 16


@dataclass(frozen=True)
class Speed:
    """How fast a function answers: the median for one caller alone, the rate for many at once."""

    p50_s: float
    rate_s: float


class Connection(asyncio.Protocol):
    """Sends one request over and over on one connection, each as soon as the last is answered, as it should be."""

    def __init__(self, request: bytes, until: float, status: int) -> None:
        self.request = request
        self.until = until
        self._well = f"HTTP/1.1 {status}".encode()
        self.took: list[float] = []
        self.ended = asyncio.get_running_loop().create_future()
        self._buffer = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not is_whole(self._buffer):
            return
        if not self._buffer.startswith(self._well):
            self._fail(RuntimeError(self._buffer.decode(errors="replace").splitlines()[0]))
            return
        self._buffer = b""
        now = time.perf_counter()
        self.took.append(now - self._sent_at)
        if now < self.until:
            self._send()
        else:
            self.ended.set_result(None)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionError("the server closed the connection"))

    def _fail(self, error: Exception) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)
            self._transport.close()


def is_whole(answer: bytes) -> bool:
    """Whether all of an HTTP answer is there, of known length or in chunks."""
    head, gap, body = answer.partition(b"\r\n\r\n")
    if not gap:
        return False
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return len(body) >= int(length.group(1)) if length else body.endswith(b"0\r\n\r\n")


def request(function: str, value: object, headers: dict[str, str]) -> bytes:
    """A call as it goes over a connection."""
    body = json.dumps(value).encode()
    fields = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": len(body), **headers}
    head = "".join(f"{name}: {said}\r\n" for name, said in fields.items())
    return f"POST /v1/call/{function} HTTP/1.1\r\n{head}\r\n".encode() + body


async def measure(port: int, sent: bytes) -> Speed:
    """Call for a while, alone and then with company."""
    alone = await drive(port, sent, 1, ALONE_S)
    start = time.perf_counter()
    together = await drive(port, sent, CONNECTIONS, TOGETHER_S)
    return Speed(statistics.median(alone), len(together) / (time.perf_counter() - start))


async def drive(port: int, sent: bytes, connections: int, seconds: float, status: int = 200) -> list[float]:
    """How long each answer took, of a request sent on so many connections. Raises `OSError`, `RuntimeError`."""
    loop = asyncio.get_running_loop()
    until = time.perf_counter() + seconds
    made = [
        (await loop.create_connection(lambda: Connection(sent, until, status), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    ended = [each.ended for each in made]
    _, unanswered = await asyncio.wait(ended, timeout=seconds + ANSWER_S_MAX, return_when=asyncio.FIRST_EXCEPTION)
    for error in [each.exception() for each in ended if each.done()]:
        if error is not None:
            raise error
    if unanswered:
        raise TimeoutError(f"no answer within {ANSWER_S_MAX:.0f} seconds")
    return [took for each in made for took in each.took]
