"""What has run, as it noted itself: how much, how fast, and how long after it was sent."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.noted import RUN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DRAIN_S_MAX = 30.0
"""What has not run so long after the last was sent is lost: the rate says it, since all that time counts."""
QUIET_S = 1.2
"""Longer than any contestant's polling interval."""
LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class Sent:
    """What a load has sent."""

    count: int
    rate_s: float


@dataclass(frozen=True, slots=True)
class Runs:
    """The file in which runs are noted."""

    path: Path

    def count(self) -> int:
        """How many there were."""
        return self.path.stat().st_size // RUN.size if self.path.exists() else 0

    def since(self, before: int) -> list[tuple[float, float]]:
        """When those after the first `before` ran, and how long after they were sent."""
        with self.path.open("rb") as file:
            file.seek(before * RUN.size)
            data = file.read()
        return list(RUN.iter_unpack(data[: len(data) - len(data) % RUN.size]))

    def wait(self, count: int, seconds: float = DRAIN_S_MAX) -> bool:
        """Wait until there were so many; False where time is up."""
        until = time.monotonic() + seconds
        while self.count() < count:
            if time.monotonic() > until:
                return False
            time.sleep(LOOK_S)
        return True

    def settle(self) -> None:
        """Wait until nothing runs any more: a load that was cut off may have sent more than it says."""
        count = -1
        while count != (count := self.count()):
            time.sleep(QUIET_S)


def end_to_end(runs: Runs, flood: Callable[[], Sent]) -> float:
    """Tasks a second, from the first that is sent until the last has run.

    Raises:
        RuntimeError: none has run.
    """
    before, begun = runs.count(), time.time()
    sent = flood()
    whole = runs.wait(before + sent.count)
    until = time.time()
    ran = [at for at, _ in runs.since(before)]
    if not ran:
        raise RuntimeError(f"of {sent.count} tasks none has run")
    runs.settle()
    return len(ran) / ((max(ran) if whole else until) - begun)


def rate_of(ran: list[tuple[float, float]]) -> float:
    """Runs a second from the first to the last, for what was all there before. Raises `RuntimeError` for fewer."""
    moments = sorted(at for at, _ in ran)
    if len(moments) < 2:
        raise RuntimeError(f"{len(moments)} have run")
    return (len(moments) - 1) / max(moments[-1] - moments[0], 1e-6)


def to_start_ms(runs: Runs, before: int) -> float:
    """The median time from sending to running of those after the first `before`."""
    return statistics.median(delay for _, delay in runs.since(before)) * 1e3
