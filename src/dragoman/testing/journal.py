"""A journal that remembers what it was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dragoman.core.event import Log

if TYPE_CHECKING:
    from dragoman.core.call import Call
    from dragoman.core.event import Event
    from dragoman.core.fault import Fault


class Said(NamedTuple):
    """Something that a worker said: `call` is 0 outside any call."""

    source: str
    pid: int
    call: int
    function: str
    event: Event


class Noted(NamedTuple):
    """Something that happened to a worker."""

    level: str
    message: str
    source: str
    pid: int


class RecordingJournal:
    """A `Journal` for tests: `said`, `noted` and `faults`, in order."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.said: list[Said] = []
        self.noted: list[Noted] = []

    def event(self, source: str, pid: int, call: Call | None, event: Event) -> None:
        """Remember what a call, or a worker outside any call, said."""
        self.said.append(Said(source, pid, call.id if call else 0, call.target.name if call else "", event))

    def note(self, level: str, message: str, source: str, pid: int) -> None:
        """Remember what happened to a worker."""
        self.noted.append(Noted(level, message, source, pid))

    def failed(self, fault: Fault) -> None:
        """Remember that an attempt at a task failed."""
        self.faults.append(fault)

    def lines(self, function: str | None = None) -> list[str]:
        """The log lines said, all of them or those of one function's calls; `""` for those of no call."""
        return [
            said.event.message
            for said in self.said
            if isinstance(said.event, Log) and (function is None or said.function == function)
        ]

    def messages(self, level: str | None = None) -> list[str]:
        """The messages noted, of one level or of all."""
        return [noted.message for noted in self.noted if level is None or noted.level == level]
