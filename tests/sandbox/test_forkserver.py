"""A fork server in a process of its own, and its host's end in this one."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from dragoman.sandbox.confinement import Launch
from dragoman.sandbox.forking import ForkConfinement

PROGRAM = """
import os, socket, sys, time
from dragoman.sandbox.forkserver import ForkServer

{before}
orders, side = (socket.socket(fileno=int(each)) for each in sys.argv[1:])
unfit = []
server = ForkServer(orders, (side.fileno(), lambda: bool(unfit.append(side.recv(64).decode())) or unfit[-1] == "leave"),
                    lambda: "it is not fit" if unfit == ["unfit"] else "")
given = server.run()
if given is not None:
    wire = socket.socket(fileno=given["DRAGOMAN_WIRE_FD"])
    exec(wire.recv(4096).decode())
    os._exit(0)
"""
Serve = Callable[..., "Served"]


class Served:
    """One fork server; `tell` sends it a word beside its orders."""

    def __init__(self, before: str) -> None:
        ours, orders = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.side, side = socket.socketpair()
        with orders, side:
            fds = orders.fileno(), side.fileno()
            program = textwrap.dedent(PROGRAM).format(before=before)
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, *map(str, fds)], pass_fds=fds, start_new_session=True
            )
        self.forking = ForkConfinement(ours)
        self.wires: list[socket.socket] = []

    async def fork(self, code: str, **fds: int) -> Any:
        ours, theirs = socket.socketpair()
        self.wires.append(ours)
        with theirs:
            child = await self.forking.start(Launch(fds=fds), theirs.fileno())
        ours.send(textwrap.dedent(code).encode())
        return child

    async def answer(self) -> bytes:
        wire = self.wires[-1]
        wire.settimeout(0.0)
        return await asyncio.get_running_loop().sock_recv(wire, 4096)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.forking.lost()
        for each in (self.side, *self.wires):
            each.close()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start fork servers; gone at the end."""
    served: list[Served] = []

    def start(before: str = "") -> Served:
        served.append(Served(before))
        return served[-1]

    yield start
    for each in served:
        each.close()


async def test_a_child_has_what_was_sent_for_it_and_nothing_of_its_siblings(serve: Serve) -> None:
    served = serve()
    first = await served.fork("wire.recv(1)")
    extra = os.memfd_create("extra")
    second = await served.fork(
        """
        names = {name: os.readlink(f"/proc/self/fd/{fd}") for name, fd in given.items()}
        kinds = sorted(os.readlink(f"/proc/self/fd/{fd}").partition(":")[0] for fd in os.listdir("/proc/self/fd")
                       if os.path.lexists(f"/proc/self/fd/{fd}"))
        leads = os.getsid(0) == os.getpid()
        wire.send(repr((sorted(names), names["EXTRA"][:13], kinds.count("socket"), leads)).encode())
        """,
        EXTRA=extra,
    )
    os.close(extra)
    told = await served.answer()
    # Sockets: its wire, and the one beside the orders, which is not the server's to close.
    assert eval(told) == (["DRAGOMAN_WIRE_FD", "EXTRA"], "/memfd:extra ", 2, True)
    assert (await second.wait()).status == 0
    assert served.forking.forks == 2
    first.kill()
    assert (await first.wait()).status == -signal.SIGKILL
    assert not served.forking.children
    for child in (first, second):
        os.close(child.stdout_fd)
        os.close(child.stderr_fd)


@pytest.mark.parametrize("way", ["os._exit(3)", "time.sleep(60)"], ids=["exits", "is killed"])
async def test_a_child_has_ended_when_all_that_it_started_has(serve: Serve, way: str, seen: Any) -> None:
    served = serve()
    child = await served.fork(f"""
        def born():
            pid = os.fork()
            if pid == 0:
                os.setsid()
                if os.fork() == 0:
                    os.setsid()
                time.sleep(60)
                os._exit(0)
            return pid
        wire.send(repr([born() for _ in range(3)]).encode())
        {way}
        """)
    other = await served.fork("wire.recv(1)")
    served.wires.reverse()
    below = eval(await served.answer())
    if "sleep" in way:
        child.kill()
    ended = await child.wait()
    assert ended.status == (-9 if "sleep" in way else 3)
    assert not any(seen.alive(pid) for pid in below)
    assert seen.alive(other.pid)
    for each in (child, other):
        os.close(each.stdout_fd)
        os.close(each.stderr_fd)


async def test_a_thread_of_a_living_child_is_not_taken_for_a_stray(serve: Serve, seen: Any) -> None:
    served = serve("import threading")
    living = await served.fork("""
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        wire.send(b"started")
        wire.recv(1)
        """)
    assert await served.answer() == b"started"
    for _ in range(5):
        child = await served.fork("if os.fork() == 0: time.sleep(60)")
        await child.wait()
        os.close(child.stdout_fd)
        os.close(child.stderr_fd)
    assert seen.alive(living.pid)
    os.close(living.stdout_fd)
    os.close(living.stderr_fd)


async def test_processes_of_the_import_are_left_alone(serve: Serve, seen: Any, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    served = serve(f"import subprocess; open({str(told)!r}, 'w').write(str(subprocess.Popen(['sleep', '60']).pid))")
    child = await served.fork("if os.fork() == 0: time.sleep(60)")
    await child.wait()
    sleeper = int(told.read_text(encoding="ascii"))
    assert seen.alive(sleeper)
    os.kill(sleeper, signal.SIGKILL)
    os.close(child.stdout_fd)
    os.close(child.stderr_fd)


async def test_a_server_that_is_not_fit_says_why_and_forks_nothing(serve: Serve) -> None:
    served = serve()
    served.side.send(b"unfit")
    with pytest.raises(OSError, match="cannot fork: it is not fit"):
        await served.fork("")
    assert not served.forking.children


async def test_a_server_that_is_told_to_leaves_once_its_children_have(serve: Serve, seen: Any) -> None:
    served = serve()
    child = await served.fork("wire.send(b'here'); wire.recv(1)")
    assert await served.answer() == b"here"
    served.side.send(b"leave")
    assert served.process.poll() is None
    served.wires[-1].send(b".")
    assert (await child.wait()).status == 0
    await seen.soon(lambda: served.process.poll() == 0)
    os.close(child.stdout_fd)
    os.close(child.stderr_fd)


async def test_children_die_with_their_server(serve: Serve, seen: Any) -> None:
    served = serve()
    child = await served.fork("wire.recv(1)")
    served.process.kill()
    await seen.soon(lambda: not seen.alive(child.pid))
    os.close(child.stdout_fd)
    os.close(child.stderr_fd)
