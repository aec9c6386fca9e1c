"""One function in each mode that fits its source: which those are, what their workers weigh, and which to pick."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from dragoman.config.languages import NAMES
from dragoman.config.sources import FITTING, GUEST_MODES
from dragoman.host.hosted import PooledSource
from dragoman.workers.upkeep import proportional_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.config.project import Source

COMPARED = ("mode", "calls", "failed", "p50 ms", "p99 ms", "calls/s", "memory MB", "first start ms", "next start ms")
WEIGHINGS = 3
"""Times that the workers are weighed during a measurement: each reads the tables of their pages, which stops them."""
FORK_SHARE = 0.5
"""With this share of the calls that warm workers serve, a clean process for each call is worth its price."""
INLINE_TIMES = 2.0
"""As many times the calls of warm workers make it worth while to trust code in the host."""
FAILED_SHARE = 0.01
"""A mode in which more calls fail than this is not recommended."""


def fitting_modes(source: Source) -> tuple[str, ...]:
    """The modes that a source may be hosted in, the usual one first."""
    return (source.mode,) if source.upstream else FITTING.get(source.language, GUEST_MODES)


def why_not(source: Source, mode: str) -> str:
    """Why a source cannot be hosted in a mode that is none of its own."""
    if source.upstream:
        return "a service has no mode: it runs elsewhere"
    if source.language == "exec":
        return "it is an executable, which is one process per call"
    if mode == "exec":
        return "it is for executables"
    return f"it is for async Python functions, and this is {NAMES[source.language]}"


class Scales:
    """What the workers of one source weigh while they are called, and how long they took to start."""

    def __init__(self, hosted: object) -> None:
        """Only a source that has workers of its own can be weighed."""
        self._hosted = hosted if isinstance(hosted, PooledSource) else None
        self._bytes: int | None = None

    async def weigh(self, duration_s: float) -> None:
        """Weigh a few times, evenly over the duration; the heaviest counts."""
        if self._hosted is None:
            return
        for _ in range(WEIGHINGS):
            await asyncio.sleep(duration_s / (WEIGHINGS + 1))
            pids = [worker.pid for worker in self._hosted.pool.staff]
            nursery = self._hosted.supervisor.nursery
            if nursery is not None and nursery.zygote is not None:
                pids.append(nursery.zygote.pid)
            self._bytes = max(self._bytes or 0, await asyncio.to_thread(proportional_bytes, pids))

    def figures(self) -> dict[str, Any]:
        """Bytes and milliseconds; None where there is nothing to tell."""
        first, more = None, None
        if self._hosted is not None:
            first, more = self._hosted.supervisor.first_start_s, self._hosted.supervisor.quickest_start_s
        return {
            "memory_bytes": self._bytes,
            "first_start_ms": None if first is None else first * 1e3,
            "next_start_ms": None if more is None else more * 1e3,
        }


def compared(run: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table, one run."""
    failed = ", ".join(f"{count} {what}" for what, count in run["failed"].items()) or "0"
    memory = run["memory_bytes"]
    return (
        run["mode"],
        str(run["calls"]),
        failed,
        _ms(run["p50_ms"], 3),
        _ms(run["p99_ms"], 3),
        f"{run['calls_per_s']:.0f}",
        "-" if memory is None else f"{memory / 1e6:.0f}",
        _ms(run["first_start_ms"], 1),
        _ms(run["next_start_ms"], 1),
    )


def _ms(figure: float | None, digits: int) -> str:
    return "-" if figure is None else f"{figure:.{digits}f}"


def advice(runs: Sequence[dict[str, Any]]) -> str:
    """Which mode to pick, by the rules of the page `howto/pick-a-mode.md`."""
    rates = {run["mode"]: run["calls_per_s"] for run in runs if _is_sound(run)}
    if not rates:
        return "pick none yet: calls fail in every mode"
    if "warm" not in rates:
        mode = max(rates, key=lambda each: rates[each])
        return f"pick {mode}: {'it is the only one that fits' if len(rates) == 1 else 'it serves most calls'}"
    share = rates["fork"] / rates["warm"] if "fork" in rates else 0.0
    if share >= FORK_SHARE:
        said = f"pick fork: a clean process for each call serves {share:.0%} of the calls that warm workers do"
    elif share:
        said = (
            f"pick warm: it serves {1 / share:.0f} times the calls of fork; pick fork where calls leak, crash, or must "
            "not see what others left"
        )
    else:
        said = "pick warm: of the modes in which calls have processes of their own it is the only one that works"
    times = rates.get("inline", 0.0) / rates["warm"]
    if times >= INLINE_TIMES:
        said += f"; inline serves {times:.0f} times the calls of warm, for code that you trust in the host"
    return said


def _is_sound(run: dict[str, Any]) -> bool:
    failed = sum(run["failed"].values())
    return run["calls"] > 0 and failed <= FAILED_SHARE * (run["calls"] + failed)
