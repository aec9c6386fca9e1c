"""One worker as the host starts it: its command line is read off a running host, and started again by hand."""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import servers
from bench.system import READY_S_MAX, tree
from dragoman.wire.connection import Connection
from dragoman.wire.frame import Kind
from dragoman.wire.handshake import Hello
from dragoman.wire.state import Role

if TYPE_CHECKING:
    from bench.outcome import Sample

WIRE = "DRAGOMAN_WIRE_FD"
SETTLE_S = 1.0
"""A worker is weighed once the noise of starting is over."""
READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Guest:
    """How a worker is started, and what it weighs when it has answered one call and has nothing more to do."""

    argv: tuple[str, ...]
    env: dict[str, str]
    folder: str
    weight: Sample


def observe(language: str) -> Guest:
    """Serve the bench's functions in a language and look at its worker."""
    with servers.on_free_port(servers.guest(language)) as server:
        time.sleep(SETTLE_S)
        for process in reversed(tree(server.pid)):
            env = process.environ()
            if WIRE in env:
                memory = process.memory_full_info()
                weight = {"rss_mb": memory.rss / 1e6, "pss_mb": memory.pss / 1e6, "uss_mb": memory.uss / 1e6}
                own = {name: value for name, value in env.items() if not name.endswith("_FD")}
                return Guest(tuple(process.cmdline()), own, process.cwd(), weight)
    raise RuntimeError(f"the host of the {language} functions has no worker")


def start(guest: Guest) -> Sample:
    """Start a worker; how long until its READY. It is ended at once."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(READY_S_MAX)
        connection = Connection(Role.HOST)
        number = theirs.fileno()
        began = time.perf_counter()
        process = subprocess.Popen(
            guest.argv,
            env={**guest.env, WIRE: str(number)},
            cwd=guest.folder,
            pass_fds=(number,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            theirs.close()
            ours.sendall(connection.hello(Hello("bench")))
            while not any(frame.kind == Kind.READY for frame in connection.receive(_more(ours))):
                pass
            return {"time_ms": (time.perf_counter() - began) * 1e3}
        finally:
            process.kill()
            process.wait()


def run(command: tuple[str, ...]) -> Sample:
    """Run a program to its end; how long that took."""
    began = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=READY_S_MAX, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-200:]}")
    return {"time_ms": took * 1e3}


def _more(sock: socket.socket) -> bytes:
    data = sock.recv(READ_BYTES)
    if not data:
        raise RuntimeError("the worker ended before it was ready")
    return data
