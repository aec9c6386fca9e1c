"""What a call is aimed at: one function of one source, with the settings that the stack and the pool read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """One function as the host knows it.

    `index` is the function's place in its worker's manifest, which travels in the frame header instead of its name.
    """

    name: str
    source: str
    index: int
    timeout_s: float
    streaming: bool = False
    idempotent: bool = False
    raw_input: bool = False
    raw_output: bool = False
