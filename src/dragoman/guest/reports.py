"""What a call tells of its progress: not every word of one that tells much, but always the last one."""

from __future__ import annotations

from math import isnan
from time import monotonic
from typing import Protocol

from dragoman.wire.report import dump_progress

PROGRESS_S_MIN = 0.01
"""Of reports that follow one another faster the last one waits: nobody sees more than a hundred a second."""


class Way(Protocol):
    """Where events of a call go."""

    def report(self, call: int, body: bytes) -> None:
        """Send an event."""
        ...


class Reports:
    """Those of one call. Its function reaches `progress` alone, through its context; whoever runs it settles them."""

    __slots__ = ("_call", "_held", "_told_at", "_way")

    def __init__(self, way: Way, call: int) -> None:
        self._way = way
        self._call = call
        self._told_at = 0.0
        self._held: tuple[float, str] | None = None

    def progress(self, share: float, message: str) -> None:
        """Tell how far the call is, or keep it until there is something newer, or the function has ended.

        Raises `ValueError` for what is no number, here and not where it is told.
        """
        share = float(share)
        if isnan(share):
            message = "progress is a share between 0 and 1, and this is no number (NaN)"
            raise ValueError(message)
        now = monotonic()
        if now - self._told_at >= PROGRESS_S_MIN or share >= 1:
            self._told_at, self._held = now, None
            self._way.report(self._call, dump_progress(share, message))
        else:
            self._held = share, message

    def settle(self) -> None:
        """Tell what was kept: the function has ended, and it was its last word."""
        held, self._held = self._held, None
        if held is not None:
            self._way.report(self._call, dump_progress(*held))
