"""Another answer where a function fails in a way that is provided for: another function's, or a value."""

from __future__ import annotations

from dataclasses import dataclass

from dragoman.core.fault import Code


@dataclass(frozen=True, slots=True)
class FallbackOptions:
    """On a fault with one of the codes `on`, the answer is that of `function` (its full name), or `value`, as JSON."""

    function: str = ""
    value: bytes = b""
    on: frozenset[Code] = frozenset({Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED})
