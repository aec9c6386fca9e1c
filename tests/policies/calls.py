"""Calls of functions that need no worker."""

from __future__ import annotations

from dragoman.core.call import Call, Codec
from dragoman.core.deadline import NEVER
from dragoman.core.target import Target


def make_call(
    body: bytes = b"{}", codec: Codec = Codec.JSON, *, deadline: float = NEVER, raw_input: bool = False
) -> Call:
    return Call(Target("s.f", "s", "f", 0, 5.0, raw_input=raw_input), body, codec, id=1, deadline=deadline)
