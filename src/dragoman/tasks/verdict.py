"""What came of an attempt to deliver something."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """`why` it failed, empty where it did not.

    `gone` where no other attempt is wanted; `retry_after_s` where the other side asked for time.
    """

    why: str = ""
    gone: bool = False
    retry_after_s: float = 0.0
