"""What pools tell, written to the host's log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dragoman.core.event import Log as LogLine
from dragoman.telemetry.log import Origin

if TYPE_CHECKING:
    from dragoman.core.call import Call
    from dragoman.core.event import Event
    from dragoman.core.fault import Fault
    from dragoman.telemetry.log import Log


class Journal(Protocol):
    """Where the host and its pools tell what happens."""

    def event(self, source: str, pid: int, call: Call | None, event: Event) -> None:
        """A call, or a worker outside any call, said something."""
        ...

    def note(self, level: str, message: str, source: str, pid: int) -> None:
        """Something happened to a worker."""
        ...

    def failed(self, fault: Fault) -> None:
        """An attempt at a task failed: there is no caller who is told of it now."""
        ...


class LogJournal:
    """Writes to the log; progress is for the caller alone."""

    def __init__(self, log: Log, call_prefix: str) -> None:
        self._log = log
        self._prefix = call_prefix

    def event(self, source: str, pid: int, call: Call | None, event: Event) -> None:
        """Log a line, with the call it belongs to."""
        if isinstance(event, LogLine):
            function = "" if call is None else call.target.name
            call_id = "" if call is None else call.public_id or f"{self._prefix}{call.id:08x}"
            self._log.output(event, Origin(source, function, call_id, pid))

    def note(self, level: str, message: str, source: str, pid: int) -> None:
        """Log what happened to a worker."""
        write = {"info": self._log.info, "warning": self._log.warning, "error": self._log.error}[level]
        if pid:
            write(message, source=source, worker_pid=pid)
        else:
            write(message, source=source)

    def failed(self, fault: Fault) -> None:
        """Log it, with the traceback of user code where there is one."""
        self._log.fault(fault)


class SilentJournal:
    """Tells nobody: for a host inside somebody else's program, whose standard error is not ours."""

    def event(self, source: str, pid: int, call: Call | None, event: Event) -> None:
        """Let it pass."""

    def note(self, level: str, message: str, source: str, pid: int) -> None:
        """Let it pass."""

    def failed(self, fault: Fault) -> None:
        """Let it pass."""
