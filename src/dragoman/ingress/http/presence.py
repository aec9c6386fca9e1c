"""Whether the client of a WebSocket is there: one that says nothing is asked, and has gone if it does not answer."""

from __future__ import annotations

PING_S = 20.0
"""A client that has said nothing for so long is asked whether it is there; proxies cut what is silent for a minute."""
QUIET_S_MAX = 60.0
"""And one that does not answer either has gone."""


class Presence:
    """What is known of one client; moments are on the monotonic clock."""

    __slots__ = ("_heard_at", "_pinged_at")

    def __init__(self, now: float) -> None:
        self._heard_at = self._pinged_at = now

    def heard(self, now: float) -> None:
        """It has said something, or could not have."""
        self._heard_at = now

    def gone(self, now: float) -> bool:
        """Whether it has not answered."""
        return now - self._heard_at > QUIET_S_MAX

    def asks(self, now: float) -> bool:
        """Whether it is to be asked now: once in a while."""
        asks = now - self._heard_at > PING_S and now - self._pinged_at > PING_S
        if asks:
            self._pinged_at = now
        return asks
