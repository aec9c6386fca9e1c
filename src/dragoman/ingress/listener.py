"""What every ingress is given by the host that it belongs to: who is told of refusals and failures, and its names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.call import Call
    from dragoman.core.fault import Fault


class Counts(Protocol):
    """What an ingress counts."""

    connections: int

    def refused(self, reason: str) -> None:
        """A client or a request was turned away before it became a call; `reason` is one of few words."""
        ...


class Listener(Protocol):
    """Told of what goes wrong."""

    @property
    def counts(self) -> Counts:
        """Where to count."""
        ...

    def failed(self, call: Call, fault: Fault) -> None:
        """A call has failed."""
        ...


@dataclass(frozen=True, slots=True)
class Naming:
    """How a host names itself and its calls: `prefix` makes the ids of its calls its own.

    `host` is the program and its version, for clients that are greeted.
    """

    service: str
    prefix: str
    next_id: Callable[[], int]
    host: str = ""
