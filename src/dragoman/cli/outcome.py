"""How a command ends: exit codes, and failures in words.

A fault's exit code is 64 and the number of its gRPC code, as other callers of such services do it, so that a script
can tell an input that is wrong (67) from a host that is busy (72).
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from dragoman.cli.screen import printable
from dragoman.config.problem import ConfigError
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Code, Fault, Started
from dragoman.core.moment import rfc3339
from dragoman.core.problem import to_problem
from dragoman.core.units import format_duration
from dragoman.ingress.http.problem import status_of

if TYPE_CHECKING:
    from typing import Any

FAILED = 1
USAGE = 2
FAULT_BASE = 64

NUMBERS = {
    Code.CANCELLED: 1,
    Code.UNKNOWN: 2,
    Code.INVALID_ARGUMENT: 3,
    Code.DEADLINE_EXCEEDED: 4,
    Code.NOT_FOUND: 5,
    Code.ALREADY_EXISTS: 6,
    Code.PERMISSION_DENIED: 7,
    Code.RESOURCE_EXHAUSTED: 8,
    Code.FAILED_PRECONDITION: 9,
    Code.ABORTED: 10,
    Code.OUT_OF_RANGE: 11,
    Code.UNIMPLEMENTED: 12,
    Code.INTERNAL: 13,
    Code.UNAVAILABLE: 14,
    Code.DATA_LOSS: 15,
    Code.UNAUTHENTICATED: 16,
}
"""The numbers of the gRPC codes."""

STARTED = {
    Started.NO: "it never ran",
    Started.YES: "it ran",
    Started.UNKNOWN: "it may have run",
}


class Stop(Exception):  # noqa: N818 - an end, and not always an error
    """The command ends here; the message is for the user, on standard error."""

    def __init__(self, message: str, status: int = USAGE) -> None:
        super().__init__(message)
        self.status = status


def report(error: Exception) -> int:
    """Tell the user what went wrong; the exit code. What is no known failure is raised again."""
    if isinstance(error, Stop | ConfigError):
        for line in str(error).splitlines():
            complain(line)
        return error.status if isinstance(error, Stop) else USAGE
    if isinstance(error, Fault):
        for line in fault_lines(error):
            complain(line)
        return exit_code(error)
    raise error


def complain(line: str) -> None:
    """One line to standard error. Output so far comes first, where both go to one place."""
    sys.stdout.flush()
    click.echo(printable(line), err=True)


def exit_code(fault: Fault) -> int:
    """The exit code of a call that failed."""
    return FAULT_BASE + NUMBERS[fault.code]


def fault_lines(fault: Fault) -> list[str]:
    """A fault for people: what, whether it ran, each breach, and what helps to find it in a log."""
    name = f"{fault.function}: " if fault.function else ""
    lines = [f"{name}{fault.code} ({STARTED[fault.started]})", *_indented(fault.detail)]
    lines += [f"  {breach.path or '(the whole input)'}: {breach.message}" for breach in fault.errors]
    lines += [f"  | {line}" for line in fault.traceback.splitlines()]
    if fault.retry_after_s:
        lines.append(f"  try again in {format_duration(fault.retry_after_s)}")
    marks = {"call": fault.call_id, "trace": fault.trace_id, "service": fault.service}
    if fault.remote and fault.call_id:
        lines.append("  " + ", ".join(f"{name} {value}" for name, value in marks.items() if value))
    return lines


def problem(fault: Fault) -> dict[str, Any]:
    """A fault for programs: the problem document that HTTP would carry (RFC 9457)."""
    instance = f"/v1/call/{fault.function}" if fault.function else ""
    now = rfc3339(SystemClock().now())
    return to_problem(fault, status=status_of(fault.code), instance=instance, timestamp=now)


def problem_json(fault: Fault) -> str:
    """The problem document as one line."""
    return json.dumps(problem(fault), ensure_ascii=False, separators=(",", ":"))


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]
