"""Bodies cut into lines: however they arrive, within their bounds, and no faster than they are taken."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.call import Codec
from dragoman.core.fault import Fault, InvalidArgument, Overloaded
from dragoman.ingress.http.lines import AHEAD_BYTES, BodyLines

if TYPE_CHECKING:
    from dragoman.ingress.http.lane import CallLane

LIMIT = 200_000


def lane(held_bytes_max: int = 1 << 30) -> CallLane:
    """The bounds of an ingress, and nothing else of it."""
    bounds = SimpleNamespace(options=SimpleNamespace(body_bytes_max=LIMIT), held_bytes=0, held_bytes_max=held_bytes_max)
    return cast("CallLane", bounds)


class Body:
    """A body and what it told its connection."""

    def __init__(self, held_bytes_max: int = 1 << 30) -> None:
        self.lane = lane(held_bytes_max)
        self.paused: list[bool] = []
        self.lines = BodyLines(self.lane, self.paused.append)

    async def items(self) -> list[bytes]:
        """All that is left of the input. Raises the fault that it ended by."""
        return [body async for codec, body in self.lines.items if codec is Codec.JSON]


@given(st.lists(st.sampled_from([b"1", b"[2, 3]", b"", b" ", b'"a"']), max_size=20), st.integers(1, 7), st.booleans())
async def test_lines_are_the_same_however_they_arrive(lines: list[bytes], piece_bytes: int, ends: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    body = Body()
    data = b"\r\n".join(lines) + (b"\n" if ends else b"")
    for at in range(0, len(data), piece_bytes):
        body.lines.feed(data[at : at + piece_bytes])
    body.lines.end()
    assert await body.items() == [line for line in lines if line.strip()]
    assert body.lines.whole


async def test_reading_stops_until_the_function_has_taken_half() -> None:
    body = Body()
    for _ in range(5):
        body.lines.feed(b"x" * (AHEAD_BYTES // 4 + 1) + b"\n")
    assert body.paused == [True]
    taken = aiter(body.lines.items)
    for _ in range(3):
        await anext(taken)
    assert body.paused == [True]
    await anext(taken)
    assert body.paused == [True, False]


@pytest.mark.parametrize("ending", [b"", b"\n"])
async def test_a_line_past_the_limit_ends_the_input(ending: bytes) -> None:
    body = Body()
    body.lines.feed(b"1\n" + b"x" * LIMIT)
    body.lines.feed(b"x" + ending)
    body.lines.end()
    with pytest.raises(InvalidArgument, match="larger than the 200000 bytes"):
        await body.items()
    assert not body.lines.whole
    assert body.lane.held_bytes == 0


async def test_long_lines_count_among_the_bodies_that_are_held() -> None:
    body = Body()
    body.lines.feed(b"x" * 100_000)
    assert body.lane.held_bytes == 100_000
    body.lines.feed(b"\n")
    assert body.lane.held_bytes == 0
    full = Body(held_bytes_max=50_000)
    full.lines.feed(b"x" * 100_000)
    with pytest.raises(Overloaded):
        await full.items()


async def test_what_comes_after_the_end_is_dropped() -> None:
    body = Body()
    body.lines.end(Fault.internal("cut"))
    body.lines.feed(b"1\n")
    body.lines.end()
    with pytest.raises(Fault, match="cut"):
        await body.items()
