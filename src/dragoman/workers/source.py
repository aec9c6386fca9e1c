"""What a pool must know of the source whose workers it runs; a runtime says it for its language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dragoman.core.call import Call
    from dragoman.core.event import Event
    from dragoman.sandbox.confinement import Launch
    from dragoman.wire.handshake import Hello


@dataclass(frozen=True, slots=True)
class SourceLaunch:
    """A source's name, how one of its workers is started, and what its guests are told in HELLO."""

    name: str
    launch: Launch
    hello: Hello


class Journal(Protocol):
    """Where a pool tells what happens."""

    def event(self, source: str, pid: int, call: Call | None, event: Event) -> None:
        """A call, or a worker outside any call, said something."""
        ...

    def note(self, level: str, message: str, source: str, pid: int) -> None:
        """Something happened to a worker that an operator may want to know."""
        ...
