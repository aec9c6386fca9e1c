"""Finding the place inside a value that a codec could not write, for a message that helps.

Runs only after a failure, or when an output holds a `null` that may have been a NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from dragoman.contract.pointer import pointer

_STEPS_MAX = 100
"""Levels followed on the way to a culprit: a value that contains itself is found before that."""


def locate(value: Any, encode: Callable[[Any], object]) -> tuple[str, Any]:
    """Walk down to the innermost part that `encode` refuses; give its pointer and the part."""
    steps: list[object] = []
    for _ in range(_STEPS_MAX):
        for step, member in _members(value):
            if _fails(member, encode):
                steps.append(step)
                value = member
                break
        else:
            break
    return pointer(steps), value


def nonfinite(tree: Any) -> str | None:
    """Find the first NaN or infinity in a tree of plain values; give its pointer, or None where there is none."""
    stack: list[tuple[Any, tuple[object, ...]]] = [(tree, ())]
    while stack:
        value, steps = stack.pop()
        if isinstance(value, float):
            if not math.isfinite(value):
                return pointer(steps)
        else:
            stack.extend((member, (*steps, step)) for step, member in _members(value) if not isinstance(member, str))
    return None


def _fails(value: Any, encode: Callable[[Any], object]) -> bool:
    try:
        encode(value)
    except Exception:  # noqa: BLE001 - whatever a user's object raises, it is the culprit
        return True
    return False


def _members(value: Any) -> Iterator[tuple[object, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from enumerate(value)  # pyright: ignore[reportUnknownArgumentType] - any container of a user's
    else:
        kind: Any = type(value)  # pyright: ignore[reportUnknownVariableType] - a class of a user's
        names = getattr(kind, "__struct_fields__", None) or getattr(kind, "__dataclass_fields__", ())
        for name in names:
            yield name, getattr(value, name, None)
