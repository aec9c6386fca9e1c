"""The doors of the call path: for each function the service behind it, found by the request's own path bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dragoman.ingress.http.negotiation import shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from dragoman.core.call import Trace
    from dragoman.core.fault import Code, Fault
    from dragoman.core.service import Service
    from dragoman.core.target import Target

CALL_PREFIX = b"/v1/call/"


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
        """Whether `enter` must also be asked about calls that came without headers."""
        ...

    def enter(self, traceparent: str | None, tracestate: str = "") -> Trace | None:
        """The span of a call that came with these headers, or `None` where it is not traced."""
        ...


class Door:
    """One function, with everything that a call of it needs bound beforehand."""

    __slots__ = ("input", "meter", "service", "shape", "target")

    def __init__(self, target: Target, service: Service, meter: Meter, input_schema: dict[str, Any]) -> None:
        self.target = target
        self.service = service
        self.meter = meter
        self.input = input_schema
        self.shape = shape_of(target)


def _nothing() -> None: ...


class Doors:
    """All doors of a host. Replaced as a whole where functions change; a request in progress keeps its own.

    `on_replace` is called whenever they have been.
    """

    def __init__(self, missing: Callable[[str], Fault]) -> None:
        """`missing(name)` says why there is no such function: unknown, or its source cannot start."""
        self.missing = missing
        self.by_path: dict[bytes, Door] = {}
        self.on_replace: Callable[[], object] = _nothing

    def replace(self, doors: Mapping[str, Door]) -> None:
        """Open exactly these doors, by full function name."""
        self.by_path = {CALL_PREFIX + name.encode(): door for name, door in doors.items()}
        self.on_replace()
