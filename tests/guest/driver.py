"""A host in miniature: starts a real guest process over a socketpair and speaks the wire with it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import textwrap
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dragoman.wire.connection import Connection
from dragoman.wire.frame import Flag, Frame, Kind
from dragoman.wire.handshake import Hello, Limits
from dragoman.wire.report import load_fault
from dragoman.wire.state import Role

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 20.0
"""Far more than anything here takes: only a guest that hangs waits this long."""


class Gone(Exception):  # noqa: N818 - names the condition
    """The guest closed the wire."""


class Guest:
    """One guest process and this side's end of its wire."""

    module = "dragoman.guest"
    further: tuple[int, ...] = ()

    def __init__(self, source: str, folder: Path, hello: Hello | None = None, **env: str) -> None:
        self.folder = folder
        path = folder / "source.py"
        path.write_text(textwrap.dedent(source))
        self._start(str(path), hello or Hello("test/0", call_prefix="cafe"), env)

    @classmethod
    def at(cls, source: str, folder: Path) -> Guest:
        """A guest for a source that is there already."""
        guest = cls.__new__(cls)
        guest.folder = folder
        guest._start(source, Hello("test/0"), {})
        return guest

    def _start(self, source: str, hello: Hello, env: dict[str, str]) -> None:
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(PATIENCE_S)
        self.page = os.memfd_create("progress")
        os.ftruncate(self.page, 4096)
        self.out = self.folder / "stdout.txt"
        self.err = self.folder / "stderr.txt"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", self.module],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.folder,
                pass_fds=(theirs.fileno(), self.page, *self.further),
                start_new_session=True,
                env={
                    "PATH": os.environ["PATH"],
                    "DRAGOMAN_WIRE_FD": str(theirs.fileno()),
                    "DRAGOMAN_PROGRESS_FD": str(self.page),
                    "DRAGOMAN_SOURCE": source,
                    "DRAGOMAN_SOURCE_NAME": "source",
                    **env,
                },
            )
        theirs.close()
        self.connection = Connection(Role.HOST)
        self.frames: list[Frame] = []
        self.events: dict[int, list[dict[str, Any]]] = defaultdict(list)
        self.last = 0
        self.send(self.connection.hello(hello))

    def close(self) -> None:
        """Kill what is left and let go of everything."""
        self.sock.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.wait(PATIENCE_S)
        os.close(self.page)

    def send(self, *data: bytes) -> None:
        """Send frames."""
        self.sock.sendall(b"".join(data))

    def receive(self, until: Callable[[Frame], bool]) -> Frame:
        """Read until a frame is the one that is waited for; the others are kept in `frames`."""
        at = 0
        while True:
            while at < len(self.frames):
                if until(self.frames[at]):
                    return self.frames.pop(at)
                at += 1
            data = self.sock.recv(1 << 20)
            if not data:
                raise Gone
            for frame in self.connection.receive(data):
                if frame.kind == Kind.EVENT:
                    self.events[frame.call].append(json.loads(frame.body))
                self.frames.append(frame)

    def ready(self) -> Self:
        """Wait for READY. Raises the `Fault` that says why there will be none."""
        frame = self.receive(lambda frame: frame.kind in {Kind.READY, Kind.FAULT})
        if frame.kind == Kind.FAULT:
            raise load_fault(frame.body)
        return self

    @property
    def threads(self) -> list[int]:
        """The ids of the process's threads, oldest first."""
        return sorted(int(task.name) for task in Path(f"/proc/{self.process.pid}/task").iterdir())

    @property
    def names(self) -> list[str]:
        """The functions that READY lists."""
        assert self.connection.said_ready is not None
        return [function["name"] for function in self.connection.said_ready.functions]

    def frame(self, name: str, input_: Any = None, *, stream: bool = False, ms: int = 0, meta: bytes = b"") -> bytes:
        """A CALL with a JSON body; its id is `last`."""
        self.last += 1
        body = json.dumps({} if input_ is None else input_).encode()
        index = self.names.index(name) if name in self.names else 999
        header = self.connection.stream_header if stream else self.connection.call_header
        return header(self.last, index, 1, len(body), ms, meta) + body

    def start(self, name: str, input_: Any = None, **more: Any) -> int:
        """Send a CALL; give its id."""
        self.send(self.frame(name, input_, **more))
        return self.last

    def answer(self, call: int) -> Frame:
        """Wait for the END or FAULT of a call."""
        return self.receive(lambda frame: frame.call == call and frame.kind in {Kind.END, Kind.FAULT})

    def result(self, call: int) -> Any:
        """Wait for the result of a call. Raises its `Fault`."""
        frame = self.answer(call)
        if frame.kind == Kind.FAULT:
            raise load_fault(frame.body)
        return json.loads(frame.body) if frame.body else None

    def call(self, name: str, input_: Any = None, **more: Any) -> Any:
        """Call and wait. Raises the call's `Fault`."""
        return self.result(self.start(name, input_, **more))

    def item(self, call: int) -> Any:
        """Wait for the next item of a stream and use it up."""
        frame = self.receive(lambda frame: frame.call == call and frame.kind == Kind.ITEM)
        self.send(self.connection.consumed(call, len(frame.body)))
        return json.loads(frame.body)

    def told(self, call: int) -> dict[str, Any]:
        """Wait for the next event of a call."""
        self.receive(lambda frame: frame.kind == Kind.EVENT and frame.call == call)
        return self.events[call].pop(0)

    def cancel(self, call: int) -> None:
        """Cancel a call."""
        self.send(self.connection.cancel(call))

    def revoke(self, call: int) -> None:
        """Ask for a call back."""
        self.send(self.connection.cancel(call, unstarted=True))

    def pong(self, body: bytes = b"hello") -> bytes:
        """Ping, and wait for the echo."""
        self.send(self.connection.ping(body))
        return self.receive(lambda frame: frame.kind == Kind.PONG).body

    def begun(self, call: int) -> None:
        """Wait until the page says that a call has begun."""
        deadline = time.monotonic() + PATIENCE_S
        while self.last_begun() < call:
            assert time.monotonic() < deadline, f"call {call} never began"
            assert self.pong() == b"hello"

    def last_begun(self) -> int:
        """The call that the page names."""
        return int.from_bytes(os.pread(self.page, 8, 0), "little")

    def wakes(self, thread: int = 0) -> int:
        """How often a thread of the guest, or any, has gone to sleep."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        threads = [thread] if thread else self.threads
        texts = [(tasks / str(each) / "status").read_text() for each in threads]
        return sum(int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0]) for text in texts)

    def nested(self) -> Frame:
        """Wait for a CALL that the guest makes."""
        return self.receive(lambda frame: frame.kind == Kind.CALL)

    def wait(self) -> int:
        """Wait for the process to end; give its status."""
        return self.process.wait(PATIENCE_S)

    def drain(self) -> int:
        """Ask it to finish; give its exit status once it said BYE."""
        self.send(self.connection.drain())
        self.receive(lambda frame: frame.kind == Kind.BYE)
        return self.wait()


def is_unstarted(frame: Frame) -> bool:
    """Whether a frame gives a call back."""
    return frame.kind == Kind.FAULT and bool(frame.flags & Flag.UNSTARTED)


def small_credit(credit_bytes: int) -> Hello:
    """A host that gives streams little credit."""
    return Hello("test/0", limits=Limits(credit_bytes=credit_bytes))
