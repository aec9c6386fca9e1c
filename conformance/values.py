"""How cases write values, and when a value is the one that a case tells of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.frames import Frame


def shown(frame: Frame) -> str:
    """A frame in few words."""
    return f"{frame.kind} call {frame.call:#x} {frame.codec} {frame.body[:200]!r}"


def filled(value: Any, number: int) -> Any:
    """`value` with `$i` replaced by `number`."""
    if isinstance(value, dict):
        return {key: filled(item, number) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, number) for item in value]
    if isinstance(value, str) and "$i" in value:
        return number if value == "$i" else value.replace("$i", str(number))
    return value


def grown(value: Any) -> Any:
    """`value` with `{"$fill": n}` replaced by a text of so many `x`."""
    if isinstance(value, dict):
        if value.keys() == {"$fill"}:
            return "x" * value["$fill"]
        return {key: grown(item) for key, item in value.items()}
    return [grown(item) for item in value] if isinstance(value, list) else value


def same(found: Any, expected: Any) -> bool:
    """Whether two values are the same, an integer not being a float; `{"$bytes": hex}` stands for bytes."""
    if isinstance(expected, dict):
        if expected.keys() == {"$bytes"}:
            return isinstance(found, bytes) and found.hex() == expected["$bytes"]
        return isinstance(found, dict) and found.keys() == expected.keys() and alike(found, expected)
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(same(one, other) for one, other in zip(found, expected, strict=True))
        )
    if isinstance(expected, float):
        return isinstance(found, (int, float)) and not isinstance(found, bool) and math.isclose(found, expected)
    return type(found) is type(expected) and found == expected


def alike(found: Any, expected: Any) -> bool:
    """Whether `found` has all that `expected` has, and perhaps more keys."""
    if isinstance(expected, dict) and expected.keys() != {"$bytes"}:
        return isinstance(found, dict) and all(key in found and alike(found[key], expected[key]) for key in expected)
    return same(found, expected)
