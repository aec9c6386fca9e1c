"""Native clients and their host under bad luck: deaths, restarts, noise, slowness, strangers, crowds."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import dragoman
from dragoman.core.fault import Code, PermissionDenied, Started, Unavailable
from tests.certificates import pair
from tests.client.native_host import NativeHost, native_host
from tests.integration.web import eventually

NOBODY = 65534
CLIENTS = 64


def connect(host: NativeHost, **options: Any) -> Any:
    return dragoman.connect(host.url, **options)


def path_of(host: NativeHost) -> str:
    return host.url.removeprefix("unix://")


def test_a_host_that_is_killed_in_mid_call_leaves_nobody_waiting(tmp_path: Path) -> None:
    began = [tmp_path / f"began{number}" for number in range(2)]
    with native_host(tmp_path) as host, connect(host) as remote, ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(remote.fn.nap, seconds=60, began=str(marker)) for marker in began]
        assert eventually(lambda: all(marker.exists() for marker in began))
        host.stop(signal.SIGKILL)
        for each in calls:
            with pytest.raises(Unavailable) as told:
                each.result(10)
            assert told.value.started is Started.UNKNOWN


def test_a_client_finds_the_next_host_at_the_same_place(tmp_path: Path) -> None:
    with native_host(tmp_path) as host, connect(host) as remote:
        assert remote.fn.add(a=1, b=2) == 3
        host.stop(signal.SIGKILL)
        assert stat.S_ISSOCK(Path(path_of(host)).stat().st_mode), "a killed host leaves its socket behind"
        starting = threading.Timer(0.3, host.start)
        starting.start()
        assert remote.fn.add(a=2, b=3) == 5, "it waits for the host to be back"
        starting.join()
        assert host.stop() == 0
        assert not Path(path_of(host)).exists()
        host.start()
        assert remote.fn.add(a=3, b=4) == 7


async def test_no_call_is_lost_over_a_graceful_restart(tmp_path: Path) -> None:
    with native_host(tmp_path) as host:
        async with connect(host) as remote:
            assert await remote.fn.add(a=0, b=0) == 0
            stop = asyncio.Event()

            async def work(number: int) -> int:
                done = 0
                while not stop.is_set():
                    assert await remote.fn.add(a=number, b=done) == number + done
                    done += 1
                return done

            workers = [asyncio.ensure_future(work(number)) for number in range(8)]
            await asyncio.to_thread(host.stop)
            await asyncio.to_thread(host.start)
            assert await remote.fn.add(a=1, b=1) == 2
            stop.set()
            assert all(await asyncio.gather(*workers))


def test_a_host_that_stops_answers_what_it_has(tmp_path: Path) -> None:
    began = tmp_path / "began"
    with native_host(tmp_path) as host, connect(host) as remote, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(remote.fn.nap, seconds=0.5, began=str(began))
        assert eventually(began.exists)
        assert host.stop() == 0
        assert slow.result(10) == 0.5


def test_a_host_ends_with_what_holds_its_standard_input(tmp_path: Path) -> None:
    with native_host(tmp_path) as host:
        assert host.process.stdin is not None
        host.process.stdin.close()
        assert host.process.wait(10) == 0
        assert not Path(path_of(host)).exists()


def test_a_host_ends_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "fn.py").write_text("def f() -> int:\n    return 1\n")
    private = tmp_path / "dragoman-x"
    private.mkdir(mode=0o700)
    code = f"""
import subprocess, sys
host = subprocess.Popen([sys.executable, "-m", "dragoman", "serve", "fn.py", "--native", "unix://{private}/p.sock",
    "--no-http", "--json", "--exit-with-stdin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
host.stdout.readline()
print(host.pid, flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    assert eventually(lambda: not Path(f"/proc/{pid}").exists())
    assert not private.exists(), "nor is the folder left that was made for its socket"


def test_noise_harms_nobody_else_and_leaks_nothing(tmp_path: Path) -> None:
    draw = random.Random(7)
    with native_host(tmp_path, http=True) as host, connect(host) as remote:
        assert remote.fn.add(a=1, b=2) == 3
        before = resident(host.process.pid)
        for size in range(400):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path_of(host))
                client.sendall(draw.randbytes(draw.choice((1, 31, 32, 33, 1000 + size, 100_000))))
        assert remote.fn.add(a=1, b=2) == 3
        assert eventually(lambda: descriptors(host.process.pid) < 100)
        assert resident(host.process.pid) - before < 30_000_000


def test_a_slow_reader_is_waited_for_and_holds_up_nobody(tmp_path: Path) -> None:
    with native_host(tmp_path) as host, connect(host) as slow, connect(host) as quick:
        items = slow.stream("fn.blocks", {"n": 400, "size": 100_000})
        assert len(next(items)) == 100_000
        before = resident(host.process.pid)
        for number in range(200):
            assert quick.fn.add(a=number, b=1) == number + 1
        assert resident(host.process.pid) - before < 20_000_000, "what is not read is not made"
        assert sum(1 for _ in items) == 399


def test_a_thousand_idle_clients_cost_little(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    idle: list[socket.socket] = []
    try:
        with native_host(tmp_path) as host, connect(host) as remote:
            assert remote.fn.add(a=1, b=2) == 3
            before = resident(host.process.pid)
            for _ in range(1000):
                client = socket.socket(socket.AF_UNIX)
                idle.append(client)
                client.connect(path_of(host))
                assert client.recv(4096), "HELLO"
            assert remote.fn.add(a=1, b=2) == 3
            assert (resident(host.process.pid) - before) / 1000 < 40_000
            for client in idle:
                client.close()
            assert remote.fn.add(a=1, b=2) == 3
            assert eventually(lambda: descriptors(host.process.pid) < 100)
    finally:
        for client in idle:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_another_user_is_refused_even_where_the_file_lets_it_in(tmp_path: Path) -> None:
    with native_host(tmp_path) as host:
        path = Path(path_of(host))
        path.chmod(0o666)
        for folder in (tmp_path, *tmp_path.parents):
            if str(folder).startswith("/tmp/"):
                folder.chmod(folder.stat().st_mode | 0o011)
        code, detail = as_user(NOBODY, lambda: refused(host.url))
        assert (code, "may not use this socket" in detail) == (Code.PERMISSION_DENIED, True)
        with connect(host) as remote:
            assert remote.fn.add(a=1, b=2) == 3


@pytest.mark.needs("openssl")
def test_a_certificate_that_is_not_trusted_is_refused_before_anything_is_said(tmp_path: Path) -> None:
    cert, key = pair(tmp_path)
    (tmp_path / "other").mkdir()
    other, _ = pair(tmp_path / "other")
    options = ("--tls-cert", str(cert), "--tls-key", str(key))
    with native_host(tmp_path, *options, address="tcp+tls://127.0.0.1:0") as host:
        for verify in (True, other):
            with connect(host, verify=verify) as remote, pytest.raises(Unavailable) as told:
                remote.fn.add(a=1, b=2)
            assert told.value.started is Started.NO
        with socket.create_connection(("127.0.0.1", int(host.url.rpartition(":")[2]))) as plain:
            plain.sendall(b"\x00" * 64)
            plain.settimeout(10)
            assert plain.recv(4096)[:1] in {b"", b"\x15"}, "an alert, or the end"
        with connect(host, verify=cert) as remote:
            assert remote.fn.add(a=1, b=2) == 3


async def test_many_clients_at_once_and_no_answer_is_mixed_up(tmp_path: Path) -> None:
    with native_host(tmp_path) as host:

        async def client(number: int) -> None:
            async with connect(host) as remote:

                async def work(lane: int) -> None:
                    for step in range(10):
                        mark = (number * 100 + lane) * 1000 + step
                        assert await remote.fn.add(a=mark, b=1) == mark + 1
                    assert [item async for item in remote.stream("fn.count", {"n": number})] == list(range(number))
                    body = bytes([number]) * (lane * 1000 + 1)
                    assert await remote.fn.echo(data=body) == body

                await asyncio.gather(*(work(lane) for lane in range(4)))

        await asyncio.gather(*(client(number) for number in range(CLIENTS)))


def resident(pid: int) -> int:
    """Bytes of memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def descriptors(pid: int) -> int:
    """How many files a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def refused(url: str) -> tuple[str, str]:
    """The fault of a call that is not let in."""
    with dragoman.connect(url) as remote:
        try:
            remote.call("fn.add", {"a": 1, "b": 2})
        except PermissionDenied as fault:
            return fault.code, fault.detail
    return "none", ""


def as_user(uid: int, work: Any) -> tuple[str, str]:
    """Run something as another user, in a process of its own; it gives two strings."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.write(write, "\n".join(work()).encode())
        except BaseException as error:  # noqa: BLE001 - the parent must read what went wrong here
            os.write(write, f"{type(error).__name__}\n{error}".encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as said:
        code, _, detail = said.read().partition("\n")
    os.waitpid(child, 0)
    return code, detail
