"""What a pool must know of the source whose workers it runs; a runtime says it for its language."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dragoman.core.call import Call
    from dragoman.core.event import Event
    from dragoman.sandbox.confinement import Launch
    from dragoman.wire.handshake import Hello


@dataclass(frozen=True, slots=True)
class SourceLaunch:
    """A source's name, how one of its workers is started, and what its guests are told in HELLO.

    `launch` is asked before each start, and may take its time: whatever must be built first is built then. It raises
    `StartFailed` where that does not work. `zygote`, where there is one, is how a process is started that has the
    source loaded and forks workers.
    """

    name: str
    launch: Callable[[], Awaitable[Launch]]
    hello: Hello
    zygote: Callable[[], Awaitable[Launch]] | None = None


def at_once(launch: Launch) -> Callable[[], Awaitable[Launch]]:
    """A launch that needs no preparation."""

    async def same() -> Launch:
        return launch

    return same


class Journal(Protocol):
    """Where a pool tells what happens."""

    def event(self, source: str, pid: int, call: Call | None, event: Event) -> None:
        """A call, or a worker outside any call, said something."""
        ...

    def note(self, level: str, message: str, source: str, pid: int) -> None:
        """Something happened to a worker that an operator may want to know."""
        ...
