"""Servers of other makers that tests start: on loopback, with files of their own, and gone when the tests are."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

HOLD = '"$@" & cat >/dev/null; kill -KILL 0'
"""Ends its whole process group when its standard input does, by whatever the tests end."""
READY_S = 60.0
"""How long a server may take until it listens: ten times what the slowest takes on a quiet machine."""


class Leash:
    """One program, and whatever it starts."""

    def __init__(self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["sh", "-c", HOLD, "leash", *argv],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=None if env is None else {**os.environ, **env},
                start_new_session=True,
            )
        self._log = log
        self._port = 0

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of them."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """As a crash would: at once, all of them."""
        self.signal(signal.SIGKILL)
        self.gone()

    def stop(self) -> None:
        """Have all of them stand still, and wait until they do: the signal alone may come after one more answer."""
        self.signal(signal.SIGSTOP)
        while self._live(psutil.STATUS_STOPPED):
            time.sleep(0.001)

    def gone(self) -> None:
        """Wait until they have ended, and let go of their port."""
        self._process.wait()
        # One whose threads have not all ended is gone by name, and may still hold its port.
        while self._live() or (self._port and listens(self._port)):
            time.sleep(0.005)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _live(self, *but: str) -> bool:
        """Whether any of them runs on: is no zombie, nor in one of these states."""
        for process in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
                if os.getpgid(process.pid) == self._process.pid and process.status() not in {
                    psutil.STATUS_ZOMBIE,
                    *but,
                }:
                    return True
        return False

    def answers_at(self, port: int) -> None:
        """Wait until the program takes connections."""
        until = time.monotonic() + READY_S
        while time.monotonic() < until and self._process.poll() is None:
            if listens(port):
                self._port = port
                return
            time.sleep(0.05)
        raise AssertionError(f"nothing listens at {port}: {self._log.read_text('utf-8', 'replace')[-4000:]}")


class LeashedServer(ABC):
    """A server at one port, with one folder of its own, from its first start to its last."""

    def __init__(self, name: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"dragoman-{name}-"))
        self.port = free_port()
        self.prepare()
        self.start()

    @abstractmethod
    def prepare(self) -> None:
        """Write what it reads."""

    @abstractmethod
    def leash(self, log: Path) -> Leash:
        """Start its program, which writes to a file."""

    def start(self) -> None:
        self.program = self.leash(self.folder / "out")
        self.program.answers_at(self.port)

    def kill(self) -> None:
        """As a crash would: at once. What it has confirmed is on its disk."""
        self.program.kill()

    def stop(self) -> None:
        """Have it hang: connections stay, and nothing is answered."""
        self.program.stop()

    def go_on(self) -> None:
        self.program.signal(signal.SIGCONT)

    def close(self) -> None:
        self.program.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def listens(port: int) -> bool:
    """Whether anybody takes connections there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def free_port() -> int:
    """A port that nobody has, most probably not for the next moments either."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
