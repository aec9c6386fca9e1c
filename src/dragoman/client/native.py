"""What both faces of a host behind a native ingress share: where it is, what is shown there, how one tries again."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.client.backoff import TRIES_S_MAX, pauses
from dragoman.client.exchange import Patience, checked_timeout
from dragoman.client.wired import unreachable
from dragoman.core.fault import Draining, Unavailable
from dragoman.wire.handshake import Ready

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from dragoman.core.clock import Clock
    from dragoman.wire.address import NativeAddress


RESENDS_MAX = 3
"""How often a call may meet a host that is just leaving, or has just left: more is no restart but a loop."""


@dataclass(frozen=True, slots=True)
class NativeEndpoint:
    """One host. `tls` is None for a UNIX socket."""

    address: NativeAddress
    token: str
    tls: ssl.SSLContext | None
    reply_bytes_max: int

    def ready(self) -> Ready:
        """What a client says of itself."""
        return Ready("python", platform.python_version(), "dragoman-python", token=self.token)


def patience_of(function: str, timeout_s: float | None, clock: Clock) -> Patience:
    """How long a call may take."""
    patience = Patience(function, checked_timeout(timeout_s), clock.monotonic())
    patience.trust_host()
    return patience


def closed(function: str) -> Draining:
    """The fault of a call on a client that was closed."""
    return Draining("this connection is closed; connect again", function=function)


class Tries:
    """The tries to reach a host. One that was never reached is given up at once: its address may be wrong."""

    def __init__(self, endpoint: NativeEndpoint, patience: Patience, clock: Clock, *, known: bool) -> None:
        self._address = str(endpoint.address)
        self._patience = patience
        self._now = clock.monotonic
        self._give_up_at = self._now() + (TRIES_S_MAX if known else 0.0)
        self._pauses: Iterator[float] = pauses()

    def pause_s(self, error: OSError) -> float:
        """How long to wait before the next try. Raises `Unavailable` where there is none."""
        pause_s = next(self._pauses)
        now = self._now()
        left_s = self._patience.left_s(now)
        if now + pause_s >= self._give_up_at or (left_s is not None and pause_s >= left_s):
            raise self.refused(error)
        return pause_s

    def refused(self, error: OSError) -> Unavailable:
        """The fault of a host that cannot be reached."""
        return unreachable(self._patience.function, self._address, error.strerror or str(error) or type(error).__name__)
