"""What a consumer is given by the host that it belongs to: functions, names, time, and who hears of trouble."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.call import Call, Trace
    from dragoman.core.clock import CallLater, Clock
    from dragoman.core.fault import Code, Fault
    from dragoman.core.service import Service
    from dragoman.core.target import Target
    from dragoman.core.terms import Terms


class Meter(Protocol):
    """Counts one function's calls; bound to it beforehand."""

    in_flight: int

    def finished(self, code: Code | None, seconds: float) -> None:
        """Count a call that ended."""
        ...


class Tracer(Protocol):
    """Gives a call its place in a trace. `sampling` says whether it may do so for calls that came without one."""

    @property
    def sampling(self) -> bool:
        """Whether `enter` must also be asked about messages that came without headers."""
        ...

    def enter(self, traceparent: str | None, tracestate: str = "") -> Trace | None:
        """The span of a call that came with these headers, or `None` where it is not traced."""
        ...


class Door(NamedTuple):
    """One function: `places` says how many calls of it can run at once, `body_bytes_max` how large an input may be."""

    target: Target
    service: Service
    meter: Meter
    places: Callable[[], int]
    body_bytes_max: int


class Tasks(Protocol):
    """Where calls are kept that are to run whatever happens."""

    async def submit(self, call: Call, terms: Terms) -> tuple[dict[str, Any], bool]:
        """Store a task; its document, and whether it is a new one. Raises a `Fault`."""
        ...


class Listener(Protocol):
    """Told of what people should know."""

    def failed(self, call: Call, fault: Fault) -> None:
        """A call has failed."""
        ...

    def note(self, level: str, text: str) -> None:
        """Something has happened to a queue; `level` as in logs."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A host, as its consumers see it.

    `find` gives the door of a function, or raises the `Fault` that says why there is none. `tasks` is None where there
    is no store. `prefix` makes the ids of its calls its own; `random` gives numbers from 0 up to 1.
    """

    service: str
    prefix: str
    next_id: Callable[[], int]
    clock: Clock
    call_later: CallLater
    random: Callable[[], float]
    tracer: Tracer
    listener: Listener
    find: Callable[[str], Door]
    tasks: Tasks | None = None
