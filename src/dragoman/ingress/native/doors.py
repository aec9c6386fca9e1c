"""The doors of the native ingress: for each function the service behind it, found by the meta of the call.

The meta of most calls is the function's name and nothing else, the same bytes every time: they are looked up, not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from dragoman.wire.meta import Entries, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.core.call import Trace
    from dragoman.core.fault import Code, Fault
    from dragoman.core.service import Service
    from dragoman.core.target import Target

KNOWN_MAX = 1024
"""Metas remembered: one for each function that is called, on a busy host."""
KNOWN_BYTES_MAX = 512
"""Longer ones are read each time."""
OWN = "dragoman."
"""What the host itself answers begins so; no source has this name."""


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
        """Whether `enter` must also be asked about calls that came without a trace."""
        ...

    def enter(self, traceparent: str | None, tracestate: str = "") -> Trace | None:
        """The span of a call that came without a trace, or `None` where it is not traced."""
        ...

    def child(self, parent: Trace) -> Trace:
        """The span of a call that came with this one."""
        ...


class Door(NamedTuple):
    """One function, with everything that a call of it needs bound beforehand."""

    target: Target
    service: Service
    meter: Meter


class Doors:
    """All doors of a host. Replaced as a whole where functions change; a call in progress keeps its own."""

    def __init__(self, missing: Callable[[str], Fault], own: Mapping[str, Door]) -> None:
        """`missing(name)` says why there is no such function; `own` are the host's own doors, which always stand."""
        self._missing = missing
        self._own = dict(own)
        self._by_name: Mapping[str, Door] = self._own
        self._known: dict[bytes, tuple[Door, Entries]] = {}

    def replace(self, doors: Mapping[str, Door]) -> None:
        """Open exactly these doors, by full function name."""
        self._by_name = {**doors, **self._own}
        self._known.clear()

    def find(self, meta: bytes) -> tuple[Door, Entries]:
        """The door that a call's meta names, and the meta's entries.

        Raises the `Fault` of a function that is not there, and `ProtocolFault` for a meta that is none.
        """
        return self._known.get(meta) or self._read(meta)

    def _read(self, meta: bytes) -> tuple[Door, Entries]:
        entries = decode(meta)
        door = self._by_name.get(entries.function)
        if door is None:
            raise self._missing(entries.function)
        found = door, entries
        if not (entries.trace or entries.call_id or entries.idempotency_key) and len(meta) <= KNOWN_BYTES_MAX:
            if len(self._known) >= KNOWN_MAX:
                # What is in use is back at once; keeping an order of use would cost every call for it.
                self._known.clear()
            self._known[meta] = found
        return found
