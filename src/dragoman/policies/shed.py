"""Load shedding: a limit on calls in flight that follows the latency, and turns the least important away first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShedOptions:
    """Where the limit may be, and who may fill it.

    Bounds of the limit, in calls in flight, and where it begins. Latency may grow to `tolerance` times its
    long-term value before the limit falls. `normal` and `batch` are the shares of the limit that calls of these
    priorities may fill; critical ones may fill all of it.
    """

    least: int = 4
    most: int = 1000
    first: int = 20
    tolerance: float = 1.5
    normal: float = 0.9
    batch: float = 0.5
