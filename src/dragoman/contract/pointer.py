"""JSON Pointers (RFC 6901): how a place inside a value is named to people and programs."""

from __future__ import annotations

import re
from collections.abc import Iterable

PATH_CHARACTERS_MAX = 300
"""A pointer is made of the caller's own keys, so it is cut like any other echo of the input."""

_AT = re.compile(r" - at `((?:[^`]|`(?! - at |$))*)`")
_STEP = re.compile(r"\[(\d+|\.\.\.)\]|\.((?:[^.\[]|\[(?!\d+\]|\.\.\.\]))+)")


def pointer(steps: Iterable[object]) -> str:
    """Join keys and indexes to a pointer: `["data", 0]` gives `/data/0`. Cut past `PATH_CHARACTERS_MAX`."""
    path = "".join([f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps])
    return path if len(path) <= PATH_CHARACTERS_MAX else f"{path[:PATH_CHARACTERS_MAX]}…"


def split_location(message: str) -> tuple[str, str]:
    """Take the ``- at `$.a[0]` `` tails off a decoder's message; give the bare message and the pointer they make.

    Decoders nested in one another leave one tail each, the outermost last. A key of a mapping is reported as `[...]`:
    the pointer ends above it.
    """
    steps: list[object] = []
    for tail in reversed(_AT.findall(message)):
        for index, name in _STEP.findall(tail):
            if index == "...":
                return _AT.sub("", message), pointer(steps)
            steps.append(name or index)
    return _AT.sub("", message), pointer(steps)
