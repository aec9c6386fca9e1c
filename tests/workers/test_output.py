import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from dragoman.core.event import Log
from dragoman.testing import ManualClock
from dragoman.workers.output import LINE_BYTES_MAX, QUOTA_BYTES, TAIL_BYTES, OutputPipe
from tests.workers.peer import until


class Printed:
    """A pipe with the test at its writing end."""

    def __init__(self) -> None:
        reader, self.fd = os.pipe()
        os.set_blocking(self.fd, False)
        self.clock = ManualClock()
        self.logs: list[Log] = []
        self.pipe = OutputPipe(reader, "stderr", asyncio.get_running_loop(), self.clock, self.logs.append)

    @property
    def lines(self) -> list[str]:
        return [log.message for log in self.logs]

    def print(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.fd, data[:32768]) :]
            self.pipe.read()


@pytest.fixture
async def printed() -> AsyncIterator[Printed]:
    made = Printed()
    yield made
    made.pipe.close()
    os.close(made.fd)


async def test_each_line_becomes_a_log_line(printed: Printed) -> None:
    os.write(printed.fd, b"one\ntwo\r\n\nthr")
    await until(lambda: len(printed.logs) == 2)
    os.write(printed.fd, b"ee\n")
    await until(lambda: len(printed.logs) == 3)
    assert printed.lines == ["one", "two", "three"]
    assert {log.stream for log in printed.logs} == {"stderr"}


async def test_an_unfinished_line_is_told_at_the_end(printed: Printed) -> None:
    printed.print(b"no newline \xff")
    printed.pipe.close()
    printed.pipe.close()
    assert printed.lines == ["no newline �"]


async def test_the_end_of_the_output_is_kept(printed: Printed) -> None:
    printed.print(b"x" * TAIL_BYTES + b"the end")
    assert printed.pipe.tail.endswith(b"the end")
    assert len(printed.pipe.tail) == TAIL_BYTES


async def test_a_long_line_is_cut(printed: Printed) -> None:
    printed.print(b"y" * 40_000 + b"\n")
    assert max(map(len, printed.lines)) == LINE_BYTES_MAX


async def test_past_its_quota_output_is_counted_and_dropped(printed: Printed) -> None:
    line = b"z" * 1023 + b"\n"
    printed.print(line * 4096)
    printed.pipe.close()
    assert sum(map(len, printed.lines)) <= QUOTA_BYTES + 1024
    assert "bytes of output dropped" in printed.lines[-1]


async def test_the_quota_is_given_anew(printed: Printed) -> None:
    printed.print((b"z" * 1023 + b"\n") * 4096)
    printed.clock.advance(1.0)
    printed.print(b"heard again\n")
    assert "heard again" in printed.lines


async def test_the_writer_may_vanish(printed: Printed) -> None:
    spare = os.dup(printed.fd)
    os.close(printed.fd)
    os.write(spare, b"bye")
    os.close(spare)
    await until(lambda: printed.logs)
    assert printed.lines == ["bye"]
    printed.fd = os.open(os.devnull, os.O_WRONLY)
