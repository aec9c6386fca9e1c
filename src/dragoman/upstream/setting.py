"""What a service as a source is given by the host: its options, a clock, and the ways to tell and to refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dragoman.contract.function import Contract
    from dragoman.core.call import Call, Reply
    from dragoman.core.clock import Clock
    from dragoman.core.fault import Fault
    from dragoman.sandbox.confinement import Confinement
    from dragoman.upstream.options import UpstreamOptions


@dataclass(frozen=True, slots=True)
class Setting:
    """Of one source. `contract` is that of a service that is one function and describes itself by nothing.

    `refusal()` says why no call can be sent now; `call_id` is the name of a call for people; `note` tells the journal.
    """

    name: str
    options: UpstreamOptions
    clock: Clock
    concurrency: int
    output_bytes_max: int
    refusal: Callable[[], Fault | None]
    call_id: Callable[[Call], str]
    note: Callable[[str], None]
    contract: Contract | None = None
    confinement: Confinement | None = None


class Upstream(Protocol):
    """A service that runs elsewhere. `in_flight` is the number of calls that it has not answered."""

    in_flight: int

    @property
    def place(self) -> str:
        """Where it is, for people."""
        ...

    def point(self, port: int) -> None:
        """Take the port that `{port}` stands for from now on."""
        ...

    async def learn(self) -> tuple[Contract, ...]:
        """Ask or read what it offers. Raises `StartFailed`."""
        ...

    async def reach(self) -> str:
        """Why it takes no connection; empty where it does."""
        ...

    async def healthy(self) -> str:
        """Why it cannot be called yet; empty where it can."""
        ...

    async def close(self) -> None:
        """Close its connections; calls under way break."""
        ...

    async def __call__(self, call: Call, /) -> Reply:
        """Run one call. Raises its `Fault`."""
        ...
