"""A host of the example, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from examples.demo.leash import leashed
from examples.demo.speed import ANSWER_S_MAX

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from rich.console import Console

ROOT = Path(__file__).parents[2]
PROJECT = "examples/market"
READY_S_MAX = 900.0
"""The first start builds the Rust functions with all that they depend on: minutes on a small machine."""
END_S_MAX = 10.0
STARTING = "it is still starting"
TOOL_MISSING = "to install it: "
"""In the reason of a source that this machine has no tools for; any other reason is a defect."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def own_environment(folder: Path, queue: str) -> dict[str, str]:
    """What keeps a host to itself: its tasks, its sockets and its queue are in a folder of the demo, or nowhere."""
    nowhere = f"unix://{folder}/no-server.sock"
    own = {"DRAGOMAN_TASKS_URL": f"sqlite:{folder}/tasks.db", "DRAGOMAN_SHARED_URL": queue or nowhere}
    return {**os.environ, **own, "XDG_RUNTIME_DIR": str(folder)}


@contextlib.contextmanager
def serving(port: int, environment: Mapping[str, str], console: Console) -> Generator[dict[str, str]]:
    """Host the project in a process of its own, which ends with the block. Gives why, for sources that cannot start.

    Raises:
        SystemExit: it did not become ready; its own words come first.
    """
    command = [sys.executable, "-m", "dragoman", "serve", PROJECT, "--port", str(port)]
    with tempfile.NamedTemporaryFile() as output, Path(output.name).open(encoding="utf-8", errors="replace") as lines:
        server = leashed(
            command,
            ends_by=signal.SIGTERM,  # it ends its workers and builds, as ever
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            missing = _becomes_ready(server, port, Told(lines, console))
            if missing is None:
                output.seek(0)
                sys.stderr.write(output.read().decode(errors="replace"))
                raise SystemExit("demo: the server did not become ready")
            yield missing
        finally:
            server.terminate()
            try:
                server.wait(END_S_MAX)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


class Told:
    """What a server says about its builds, repeated on the console as it comes."""

    def __init__(self, lines: Iterable[str], console: Console) -> None:
        self._lines = lines
        self._console = console

    def repeat(self) -> None:
        """Repeat what was written since the last time."""
        for line in self._lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # not a line of the log
                said = json.loads(line)
                if said["level"] == "info" and str(said["event"]).startswith(("building", "built")):
                    self._console.print(f"{said['source']}: {said['event']}", markup=False)


def _becomes_ready(server: subprocess.Popen[bytes], port: int, told: Told) -> dict[str, str] | None:
    give_up_at = time.monotonic() + READY_S_MAX
    while server.poll() is None and time.monotonic() < give_up_at:
        told.repeat()
        with contextlib.suppress(OSError):  # not listening yet
            reasons = unready(port)
            if STARTING not in reasons.values():
                return reasons
        time.sleep(0.02)
    return None


def unready(port: int) -> dict[str, str]:
    """Why sources cannot be called, by name. Raises `OSError`."""
    try:
        get(port, "/health/ready")
    except urllib.error.HTTPError as error:
        return dict(json.loads(error.read())["reasons"])
    return {}


def get(port: int, path: str) -> bytes:
    """Read one page. Raises `OSError`."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=ANSWER_S_MAX) as answer:
        return answer.read()
