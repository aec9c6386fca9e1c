"""The host's log: JSON lines, or readable ones on a terminal; bounded in length, in rate and in what it holds.

A line is made where it is logged (5 µs) and written by a thread. structlog draws the lines for a terminal; it takes
90 ms and 4.5 MB to import, so only the writing thread imports it, and only for a terminal.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakSet

from dragoman.core.clock import SystemClock
from dragoman.core.fault import Code
from dragoman.core.moment import rfc3339
from dragoman.telemetry.flood import Flood
from dragoman.telemetry.line import render
from dragoman.telemetry.writer import Writer

if TYPE_CHECKING:
    from dragoman.core import event
    from dragoman.core.clock import Clock
    from dragoman.core.fault import Fault

Level = Literal["debug", "info", "warning", "error"]

RANKS: dict[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
"""Levels by weight; a worker's line of any other level counts as `info`."""

OUTPUT_RATE_PER_S = 200.0
OUTPUT_BURST = 1000
"""Lines that the workers of one source may log: a chatty start-up passes whole, a loop that prints does not."""

FAULT_RATE_PER_S = 10.0
FAULT_BURST = 50
"""Faults of one function that are logged with a traceback: the metrics count them all, a reader needs a few."""

REPORT_EVERY_S = 1.0
"""How often a line may say what was dropped."""

FAULT_LEVELS: dict[Code, Level] = {
    Code.UNKNOWN: "error",
    Code.INTERNAL: "error",
    Code.DATA_LOSS: "error",
    Code.UNAVAILABLE: "warning",
}
"""Faults that somebody must look at; the others are the caller's affair and logged as `debug`."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """How the host logs. `format` is `auto`: `console` where the descriptor is a terminal, `json` elsewhere."""

    level: Level = "info"
    format: Literal["auto", "json", "console"] = "auto"
    colors: bool = True


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a worker's line came from. `call_id` and `function` are empty for output outside any call."""

    source: str
    function: str = ""
    call_id: str = ""
    pid: int = 0


class Log:
    """Writes what happens to one descriptor, standard error by default. Safe to use from any thread; never blocks."""

    def __init__(self, options: LogOptions | None = None, *, fd: int = 2, clock: Clock | None = None) -> None:
        options = options or LogOptions()
        console = options.format == "console" or (options.format == "auto" and os.isatty(fd))
        self._clock: Clock = clock or SystemClock()
        self._rank = RANKS[options.level]
        self._lock = threading.Lock()
        self._output = Flood(OUTPUT_RATE_PER_S, OUTPUT_BURST)
        self._faults = Flood(FAULT_RATE_PER_S, FAULT_BURST)
        self._report_at = 0.0
        self._seen: WeakSet[Fault] = WeakSet()
        self._writer = Writer(fd, self._note_lost, console_renderer(colors=options.colors) if console else None)
        self._writer.on_turn = self._report

    def debug(self, event: str, /, **fields: object) -> None:
        """Log what only somebody who looks for a mistake wants to read."""
        self._write("debug", event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """Log that something worth knowing happened."""
        self._write("info", event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Log that something went wrong and was dealt with."""
        self._write("warning", event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Log that something went wrong and somebody must act."""
        self._write("error", event, fields)

    def output(self, line: event.Log, origin: Origin) -> None:
        """Log a line that a worker printed or logged, with where it came from.

        Past the rate of its source it is dropped; how many were is logged within about a second.
        """
        level = line.level if line.level in RANKS else "info"
        if RANKS[level] < self._rank or not self._admit(self._output, origin.source):
            return
        fields: dict[str, object] = {"stream": line.stream, "source": origin.source}
        if origin.function:
            fields["function"] = origin.function
        if origin.call_id:
            fields["call_id"] = origin.call_id
        if origin.pid:
            fields["worker_pid"] = origin.pid
        if line.fields:
            # Apart, so that no worker can overwrite the fields that say who is speaking.
            fields["fields"] = line.fields
        self._write(level, line.message, fields)

    def fault(self, fault: Fault) -> None:
        """Log a failed call, once however many layers pass it on, with the traceback of user code where there is one.

        Codes that are the caller's affair are logged as `debug` only.
        """
        level = FAULT_LEVELS.get(fault.code, "debug")
        if RANKS[level] < self._rank:
            return
        with self._lock:
            if fault in self._seen:
                return
            self._seen.add(fault)
        if not self._admit(self._faults, fault.function):
            return
        fields: dict[str, object] = {
            "code": fault.code.value,
            "function": fault.function,
            "started": fault.started.value,
            "call_id": fault.call_id,
            "trace_id": fault.trace_id,
            "detail": fault.detail,
            "traceback": fault.traceback.rstrip("\n"),
        }
        self._write(level, "call failed", {key: value for key, value in fields.items() if value})

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what is held, for at most `timeout_s`; whatever is logged later is lost."""
        self._report(at_once=True)
        self._writer.close(timeout_s)

    def _write(self, level: str, event: str, fields: dict[str, object]) -> None:
        if RANKS[level] >= self._rank:
            head = {"timestamp": rfc3339(self._clock.now()), "level": level, "event": event}
            self._writer.put(render(head | {key: value for key, value in fields.items() if key not in head}))

    def _admit(self, flood: Flood, key: str) -> bool:
        with self._lock:
            now = self._clock.monotonic()
            first = not self._output.dropped and not self._faults.dropped
            admitted = flood.admit(key, now)
            if first and not admitted:
                self._report_at = now + REPORT_EVERY_S
        if first and not admitted:
            self._writer.wake()
        return admitted

    def _report(self, *, at_once: bool = False) -> bool:
        """Log what was dropped, when it is time; True while something is left to tell, so that the writer returns."""
        with self._lock:
            if not at_once and self._clock.monotonic() < self._report_at:
                return bool(self._output.dropped or self._faults.dropped)
            output, faults = self._output.take_dropped(), self._faults.take_dropped()
        for source, count in output.items():
            self._write("warning", "worker output dropped", {"source": source, "dropped": count})
        for function, count in faults.items():
            self._write("warning", "faults not logged", {"function": function, "dropped": count})
        return False

    def _note_lost(self, count: int) -> bytes:
        now = rfc3339(self._clock.now())
        reason = "whoever reads this log is too slow"
        return render(
            {"timestamp": now, "level": "warning", "event": "log lines lost", "lost": count, "reason": reason}
        )


def console_renderer(*, colors: bool) -> Callable[[bytes], bytes]:
    """Make the function that turns a line of JSON into a readable one; the first line imports structlog."""
    draw: Callable[[Any, str, dict[str, Any]], str] | None = None

    def readable(line: bytes) -> bytes:
        nonlocal draw
        if draw is None:
            from structlog.dev import ConsoleRenderer, plain_traceback  # noqa: PLC0415 - see the module's docstring

            draw = ConsoleRenderer(colors=colors, sort_keys=False, exception_formatter=plain_traceback)
        fields = json.loads(line)
        block = fields.pop("traceback", "")
        text = draw(None, fields["level"], fields)
        # Indented, so that no line of a traceback can pose as a line of the log.
        return "\n".join([text, *(f"    | {row}" for row in block.split("\n") if block), ""]).encode()

    return readable
