"""Lines reach their descriptor whole and in order, and a reader that does not read holds nobody up."""

import os
import threading
import time
from collections.abc import Iterator

import pytest

from dragoman.telemetry.writer import HELD_BYTES_MAX, Writer


def note(count: int) -> bytes:
    return b"lost %d\n" % count


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError:
            continue


def drain(fd: int) -> list[bytes]:
    """Everything up to the end, line by line."""
    with os.fdopen(os.dup(fd), "rb") as stream:
        return stream.read().splitlines(keepends=True)


def test_lines_arrive_whole_and_in_order(pipe: tuple[int, int]) -> None:
    reader, fd = pipe
    writer = Writer(fd, note)
    lines = [b"line %d %s\n" % (number, b"x" * (number % 300)) for number in range(3000)]
    got: list[bytes] = []
    collector = threading.Thread(target=lambda: got.extend(drain(reader)))
    collector.start()
    for line in lines:
        writer.put(line)
    writer.close(10)
    os.close(fd)
    collector.join(10)
    assert got == lines


def test_a_reader_that_does_not_read_costs_lines_and_no_time(pipe: tuple[int, int]) -> None:
    reader, fd = pipe
    writer = Writer(fd, note)
    line = b"x" * 999 + b"\n"
    sent = HELD_BYTES_MAX * 2 // len(line)
    began = time.perf_counter()
    for _ in range(sent):
        writer.put(line)
    assert time.perf_counter() - began < 2
    got: list[bytes] = []
    collector = threading.Thread(target=lambda: got.extend(drain(reader)))
    collector.start()
    writer.close(10)
    os.close(fd)
    collector.join(10)
    lost = sum(int(each.split()[1]) for each in got if each.startswith(b"lost"))
    assert lost > 0
    assert sum(each == line for each in got) + lost == sent


def test_closing_does_not_wait_for_a_reader_for_ever(pipe: tuple[int, int]) -> None:
    reader, fd = pipe
    writer = Writer(fd, note)
    for _ in range(500):
        writer.put(b"x" * 1000 + b"\n")
    began = time.perf_counter()
    writer.close(0.05)
    assert time.perf_counter() - began < 1
    collector = threading.Thread(target=drain, args=(reader,))
    collector.start()
    writer.close(10)
    os.close(fd)
    collector.join(10)


def test_a_reader_that_is_gone_is_no_error(pipe: tuple[int, int]) -> None:
    reader, fd = pipe
    os.close(reader)
    writer = Writer(fd, note)
    for _ in range(10_000):
        writer.put(b"x" * 1000)
    writer.close(10)


def test_a_shared_descriptor_that_somebody_made_non_blocking_is_waited_for(pipe: tuple[int, int]) -> None:
    reader, fd = pipe
    os.set_blocking(fd, False)
    writer = Writer(fd, note)
    lines = [b"%d\n" % number * 1000 for number in range(100)]
    for line in lines:
        writer.put(line)
    got: list[bytes] = []
    collector = threading.Thread(target=lambda: got.extend(drain(reader)))
    collector.start()
    writer.close(10)
    os.close(fd)
    collector.join(10)
    assert b"".join(got) == b"".join(lines)


def test_nothing_is_started_before_the_first_line(pipe: tuple[int, int]) -> None:
    before = threading.active_count()
    writer = Writer(pipe[1], note)
    writer.close(1)
    assert threading.active_count() == before


def test_whoever_asks_for_another_turn_gets_one(pipe: tuple[int, int]) -> None:
    turns = threading.Semaphore(0)
    wanted = iter([True, False])

    def on_turn() -> bool:
        turns.release()
        return next(wanted, False)

    writer = Writer(pipe[1], note)
    writer.on_turn = on_turn
    writer.wake()
    assert turns.acquire(timeout=10)
    assert turns.acquire(timeout=10)
    writer.close(10)
