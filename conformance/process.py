"""A guest as a process, and the host's end of its wire: frames out, frames in, with a time limit on everything."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from conformance.line import Broken, Line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

READY_S_MAX = 20.0
"""Time to start: a JVM on a busy machine takes a second or two."""
EXIT_S_MAX = 5.0
OUTPUT_BYTES_MAX = 64 * 1024
ARENA_BYTES = 16 * 1024 * 1024
SEALS = 0x0001 | 0x0002 | 0x0004
F_ADD_SEALS = 1033


@dataclass(frozen=True)
class Subject:
    """A guest that is tested: how it is started, how it is reached, and what it claims."""

    name: str
    command: tuple[str, ...]
    folder: Path
    transport: str = "fd"
    level: str = "full"
    env: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def load(cls, folder: Path, out: Path) -> Subject:
        """Read a folder's `conformance.json`, and build what it says. Raises `CalledProcessError`."""
        told = json.loads((folder / "conformance.json").read_text())
        places = {"out": str(out), "here": str(folder), "python": sys.executable}
        if told.get("build"):
            subprocess.run([part.format(**places) for part in told["build"]], cwd=folder, check=True)
        command = tuple(part.format(**places) for part in told["command"])
        env = {name: value.format(**places) for name, value in told.get("env", {}).items()}
        return cls(folder.name, command, folder, told.get("transport", "fd"), told.get("level", "full"), env)


class Guest(Line):
    """One running guest. Use as a context manager: at the end the process and its group are gone."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.output = bytearray()
        self._arenas: list[int] = []
        self._folder = tempfile.TemporaryDirectory(prefix="conformance-")
        self.token = secrets.token_hex(16)
        sock, self._process = self._start()
        super().__init__(sock)
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _start(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"}
        env.update(self.subject.env)
        fds: list[int] = []
        for name in ("DRAGOMAN_SEGMENT_IN_FD", "DRAGOMAN_SEGMENT_OUT_FD"):
            fd = os.memfd_create(name, os.MFD_ALLOW_SEALING)
            os.ftruncate(fd, ARENA_BYTES)
            fcntl.fcntl(fd, F_ADD_SEALS, SEALS)
            env[name] = str(fd)
            self._arenas.append(fd)
            fds.append(fd)
        if self.subject.transport == "path":
            return self._by_path(env, fds)
        ours, theirs = socket.socketpair()
        with theirs:
            env["DRAGOMAN_WIRE_FD"] = str(theirs.fileno())
            return ours, self._spawn(env, [*fds, theirs.fileno()])

    def _by_path(self, env: dict[str, str], fds: list[int]) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        path = str(Path(self._folder.name) / "wire")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(1)
            listener.settimeout(READY_S_MAX)
            process = self._spawn({**env, "DRAGOMAN_WIRE_PATH": path, "DRAGOMAN_WIRE_TOKEN": self.token}, fds)
            try:
                return listener.accept()[0], process
            except TimeoutError:
                process.kill()
                message = "the guest never connected"
                raise Broken(message) from None

    def _spawn(self, env: dict[str, str], fds: Sequence[int]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.subject.command,
            cwd=self.subject.folder,
            env=env,
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _collect(self) -> None:
        assert self._process.stdout is not None
        while data := self._process.stdout.read1(65536):
            self.output += data[: OUTPUT_BYTES_MAX - len(self.output)]

    def printed(self) -> str:
        """All that it has printed, where it ends; else what it has after a while."""
        self._reader.join(EXIT_S_MAX)
        return self.output.decode(errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(EXIT_S_MAX)
        if self._process.stdout is not None:
            self._process.stdout.close()
        for fd in self._arenas:
            os.close(fd)
        self._folder.cleanup()

    def put(self, data: bytes, offset: int) -> None:
        """Write into the arena that the guest reads."""
        os.pwrite(self._arenas[0], data, offset)

    def get(self, offset: int, size: int) -> bytes:
        """Read from the arena that the guest writes."""
        return os.pread(self._arenas[1], size, offset)

    def exit_status(self) -> int:
        """Wait for the process to end. Raises `Broken` where it does not."""
        try:
            return self._process.wait(EXIT_S_MAX)
        except subprocess.TimeoutExpired:
            message = f"the process has not ended {EXIT_S_MAX:g}s later"
            raise Broken(message) from None

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None
