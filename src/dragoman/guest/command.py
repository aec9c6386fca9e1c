"""The guest of an executable: it speaks the wire, and runs the program once for each call.

It runs in a process forked from the spawner, where this module is imported already, so that it starts in a millisecond
and stays small enough that a program's start costs what the program costs.
"""

from __future__ import annotations

import json
import os
import sys
from _socket import socket  # the `socket` module takes 5 ms to import, and adds nothing that is used here
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from dragoman.core.call import Codec
from dragoman.core.deadline import NEVER
from dragoman.core.fault import (
    Aborted,
    Cancelled,
    Fault,
    Internal,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Started,
    StartFailed,
    Unimplemented,
)
from dragoman.guest.line import Line
from dragoman.guest.printed import Lines, Whole, load_object
from dragoman.guest.program import Run, check_exit
from dragoman.guest.template import Template
from dragoman.wire import meta
from dragoman.wire.fault import Oversized
from dragoman.wire.frame import Flag, Kind
from dragoman.wire.handshake import FEATURE_REVOKE, Ready

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.wire.frame import Frame

SETTINGS = "DRAGOMAN_COMMAND"
OUTPUT_BYTES_MAX = 16 * 1024 * 1024
PATH_DEFAULT = "/usr/local/bin:/usr/bin:/bin"

_STREAM = int(Flag.STREAM)
_UNSTARTED = int(Flag.UNSTARTED)


class Command:
    """What the host says about the program."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Raises `StartFailed` where there is no such program."""
        self.contract: dict[str, Any] = settings["contract"]
        self.name: str = settings["name"]
        self.stdin: str = settings.get("stdin", "none")
        self.stdout: str = settings.get("stdout", "json")
        self.env: dict[str, str] = dict(settings.get("env", {}))
        self.output_bytes_max: int = settings.get("output_bytes_max", OUTPUT_BYTES_MAX)
        program, *arguments = settings["command"]
        self.program = os.fsencode(program)
        self.path = find(program, self.env.get("PATH", PATH_DEFAULT))
        properties: dict[str, Any] = self.contract.get("input", {}).get("properties", {})
        declared = {name: cast("dict[str, Any]", each) for name, each in properties.items() if isinstance(each, dict)}
        defaults = {name: each["default"] for name, each in declared.items() if "default" in each}
        self.template = Template(arguments, defaults)

    def arguments(self, frame: Frame) -> list[bytes]:
        """The whole argument list for one call. Raises `InvalidArgument`, `Unimplemented`."""
        return [self.program, *self.template.fill(self._values(frame))]

    def _values(self, frame: Frame) -> dict[str, Any]:
        codec = frame.codec & 0x0F
        if codec == Codec.JSON:
            values = load_object(frame.body)
            if values is not None:
                return values
            if self.stdin == "body":
                return {}
            raise InvalidArgument(f"the input of {self.name} must be a JSON object", started=Started.NO)
        if codec == Codec.NONE or self.stdin == "body":
            return {}
        raise Unimplemented(f"{self.name} takes its input as JSON", started=Started.NO)


class Server:
    """Runs one call after the other, and listens to the host meanwhile."""

    def __init__(self, line: Line, command: Command, sweep: Callable[[], bool]) -> None:
        """`sweep` kills every process that this one has left behind; true when all are gone."""
        self.fd = line.sock.fileno()
        self.cancelled = False
        self._line = line
        self._command = command
        self._sweep = sweep
        self._inbox: deque[tuple[Frame, float]] = deque()
        self._running = 0
        self._draining = False

    def run(self) -> None:
        """Serve until the host says DRAIN and everything is answered."""
        line = self._line
        while True:
            if self._inbox:
                self._serve(*self._inbox.popleft())
            elif self._draining:
                break
            else:
                self.flush()
                self.attend()
        line.put(line.connection.bye())
        line.flush()

    def attend(self) -> None:
        """Read once from the host, which must have something to say unless no call runs."""
        line = self._line
        for frame in line.receive(line.read()):
            kind = frame.kind
            if kind == Kind.CALL:
                self._inbox.append((frame, monotonic()))
            elif kind == Kind.CANCEL:
                self._cancel(frame)
            elif kind == Kind.PING:
                line.put(line.connection.pong(frame.body))
            elif kind == Kind.DRAIN:
                self._draining = True
            elif kind in {Kind.FAULT, Kind.BYE}:
                line.lost()

    def flush(self) -> None:
        """Send the host what waits for it."""
        if self._line.size:
            self._line.flush()

    def _cancel(self, frame: Frame) -> None:
        revoke = bool(frame.flags & _UNSTARTED)
        if frame.call == self._running:
            self.cancelled = self.cancelled or not revoke
            return
        for waiting in self._inbox:
            if waiting[0].call == frame.call:
                self._inbox.remove(waiting)
                fault = (
                    Aborted("given back before it began", started=Started.NO)
                    if revoke
                    else Cancelled("the call was cancelled before it began", started=Started.NO)
                )
                self._line.put(self._line.connection.fault(frame.call, fault, unstarted=revoke))
                return

    def _serve(self, frame: Frame, arrived_at: float) -> None:
        line, call = self._line, frame.call
        self._running, self.cancelled = call, False
        begun = monotonic()
        deadline = arrived_at + frame.amount * 0.001 if frame.amount else NEVER
        run = Run(self._command.name, self, self._sweep, deadline)
        try:
            codec, body = self._execute(frame, run)
            ran_us = int((monotonic() - begun) * 1e6)
            line.send(line.connection.end_header(call, codec, len(body), ran_us), body)
        except (Fault, Oversized, OSError) as error:
            run.close()
            line.put(line.connection.fault(call, self._fault(error), int((monotonic() - begun) * 1e6)))
            line.flush()
        run.close()  # after the answer: nothing of the program is left but pipes
        self._running = 0
        if not self._sweep():
            # Something of this call cannot be killed now. What comes next must not share a process with it.
            line.lost()

    def _fault(self, error: Exception) -> Fault:
        if isinstance(error, Fault):
            return error
        name = self._command.name
        if isinstance(error, Oversized):
            return ResourceExhausted(f"what {name} printed is too large to send: {error}", started=Started.YES)
        return Internal(f"cannot run {name}: {error}")

    def _execute(self, frame: Frame, run: Run) -> tuple[int, bytes]:
        command = self._command
        self._refuse(frame)
        argv = command.arguments(frame)
        feed = None if command.stdin == "none" else frame.body
        kind = Lines if command.stdout == "jsonl" else Whole
        output = kind(self._line, frame.call, command.name, command.output_bytes_max)
        try:
            run.start(command.path, argv, self._environment(frame), feed)
            status = run.finish(output)
            if isinstance(output, Lines) and not status:
                run.wait_for(output.end)
        finally:
            tail = output.settle()
        check_exit(command.name, status, tail)
        return output.reply(command.stdout) if isinstance(output, Whole) else (Codec.NONE, b"")

    def _refuse(self, frame: Frame) -> None:
        name = self._command.name
        if frame.function:
            raise NotFound(f"this worker has no function number {frame.function}", started=Started.NO)
        if self._command.stdout == "jsonl" and not frame.flags & _STREAM:
            raise Unimplemented(f"{name} streams: call it for a stream", started=Started.NO)

    def _environment(self, frame: Frame) -> dict[str, str]:
        env = dict(self._command.env)
        entries = meta.decode(frame.meta)
        env["DRAGOMAN_CALL_ID"] = entries.call_id or self._line.hello.call_id(frame.call)
        if entries.trace is not None:
            trace = entries.trace
            env["TRACEPARENT"] = f"00-{trace.trace_id.hex()}-{trace.span_id.hex()}-{trace.flags:02x}"
            if trace.state:
                env["TRACESTATE"] = trace.state
        return env


def find(program: str, path: str) -> str:
    """Where a program lies: itself if it has a slash, else the first match in `path`. Raises `StartFailed`."""
    candidates = [program] if "/" in program else [f"{folder or '.'}/{program}" for folder in path.split(":")]
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):  # noqa: PTH112 - pathlib costs 8 ms to import
            return candidate
    if "/" not in program:
        raise StartFailed(f"there is no program {program!r} in PATH ({path})")
    if os.path.exists(program):  # noqa: PTH110 - pathlib costs 8 ms to import
        raise StartFailed(f"{program!r} is not executable: try chmod +x")
    raise StartFailed(f"there is no program {program!r} in {os.getcwd()!r}")  # noqa: PTH109 - pathlib costs 8 ms to import


def main(wire_fd: int, sweep: Callable[[], bool]) -> None:
    """Serve the program that the environment names, until the host says DRAIN or closes the wire."""
    os.set_inheritable(wire_fd, False)  # noqa: FBT003 - the standard library's signature
    # Every call is begun as it comes here, and its bodies come by the wire; the program must not have any of these.
    for unused in ("DRAGOMAN_PROGRESS_FD", "DRAGOMAN_SEGMENT_IN_FD", "DRAGOMAN_SEGMENT_OUT_FD"):
        if fd := os.environ.pop(unused, ""):
            os.close(int(fd))
    settings: dict[str, Any] = json.loads(os.environ.pop(SETTINGS))
    line = Line(socket(fileno=wire_fd))
    while line.connection.said_hello is None:
        line.receive(line.read())
    try:
        os.chdir(settings.get("cwd", "."))
        command = Command(settings)
    except StartFailed as fault:
        line.refuse(fault)
    except OSError as error:
        line.refuse(StartFailed(f"cannot enter the folder {settings['cwd']!r}: {error.strerror}"))
    line.put(line.connection.ready(_ready(command)))
    line.flush()
    Server(line, command, sweep).run()


def _ready(command: Command) -> Ready:
    version = ".".join(map(str, sys.version_info[:3]))
    return Ready("exec", version, "dragoman", (FEATURE_REVOKE,), (command.contract,))
