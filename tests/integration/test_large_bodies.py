"""Bodies of any size that is allowed, by every way: shared where they can be, given back, and never trusted."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import dragoman
from dragoman.core.fault import DataLoss, InvalidArgument, ResourceExhausted, Started, Unavailable
from tests.integration.conftest import Hosting, alive, descendants, host_of, pool_of, until
from tests.integration.web import serving

MB = 1024 * 1024
SHARED = Path("/dev/shm")
LARGE = 70 * MB
"""More than a frame could carry, were it not told otherwise."""
SOURCE = '''
import hashlib, os, struct, time
from collections.abc import Iterator
from dragoman import Context

def echo(data: memoryview) -> memoryview: return data
def copy(data: bytes) -> bytes: return data
def digest(data: memoryview) -> str: return hashlib.sha256(data).hexdigest()
def make(size: int) -> bytes: return bytes(size)
def halves(data: memoryview) -> Iterator[memoryview]:
    yield data[: len(data) // 2]
    yield data[len(data) // 2 :]
def sizes(parts: Iterator[bytes]) -> list[int]: return [len(part) for part in parts]
def through(data: memoryview, ctx: Context) -> bytes: return ctx.call("other.copy", data=bytes(data))
def handed(n: int, size: int, ctx: Context) -> list[int]:
    return ctx.call("other.sizes", parts=(bytes(size) for _ in range(n)))
def streamed(size: int, ctx: Context) -> int:
    return sum(len(part) for part in ctx.call("other.halves", data=bytes(size)))
def hold(data: memoryview, began: str) -> None:
    open(began, "w").close()
    time.sleep(60)

def start(ctx: Context) -> None:
    began = os.path.join(os.path.dirname(__file__), "began")
    ctx.call("other.hold", data=bytes(70 << 20), began=began)

def arenas() -> dict[str, int]:
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            name = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue
        if "dragoman_segment" in name:
            found.setdefault("in" if "_in_" in name else "out", int(fd))
    return found

def shrink(data: memoryview) -> list[str]:
    said = []
    for fd in arenas().values():
        far = 1 << 40
        for act, *what in ((os.ftruncate, 0), (os.ftruncate, far), (os.posix_fallocate, far, 1)):
            try:
                act(fd, *what)
                said.append("done")
            except OSError as error:
                said.append(type(error).__name__)
    return said

def lie(offset: int, size: int, ctx: Context) -> None:
    """Answer the call by hand, with a region of one's own choice."""
    call = int(ctx.call_id[8:], 16)
    frame = struct.pack("<IBBBBIIQII", 16, 1, 5, 2, 3, 0, 0, call, 0, 0) + struct.pack("<QQ", offset, size)
    for fd in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                os.write(int(fd), frame)
        except OSError:
            continue
    time.sleep(60)
'''
TOML = """
[sources.big]
path = "big.py"
workers = 1
body_max = "{body_max}"
[sources.other]
path = "other.py"
workers = 1
body_max = "{body_max}"
[http]
body_max = "{body_max}"
[native]
body_max = "{body_max}"
"""


class Served(NamedTuple):
    """Where a host takes calls."""

    http: str
    native: str


def post(at: Served, function: str, body: bytes) -> tuple[int, bytes]:
    """The status and the body of an answer."""
    connection = http.client.HTTPConnection(at.http.removeprefix("http://"), timeout=30)
    with contextlib.closing(connection):
        connection.request("POST", f"/v1/call/{function}", body, {"Content-Type": "application/octet-stream"})
        answer = connection.getresponse()
        return answer.status, answer.read()


def project_in(folder: Path, body_max: str = "100MB") -> Path:
    for name in ("big", "other"):
        (folder / f"{name}.py").write_text(SOURCE)
    (folder / "dragoman.toml").write_text(TOML.format(body_max=body_max))
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with dragoman.open(project_in(tmp_path_factory.mktemp("large"))) as project:
        yield project


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = project_in(tmp_path_factory.mktemp("served"))
    native = f"unix://{folder}/n.sock"
    with serving(folder, "--native", native) as web:
        yield Served(web.url, native)


@pytest.fixture(scope="module")
def body() -> bytes:
    return os.urandom(MB) * (LARGE // MB)


def test_a_body_past_the_old_bound_goes_by_every_way(shop: Any, served: Served, body: bytes) -> None:
    assert shop.call("big.echo", body) == body
    assert shop.call("big.copy", memoryview(body)) == body
    status, answer = post(served, "big.echo", body)
    assert (status, answer) == (200, body)
    for url in (served.http, served.native):
        with dragoman.connect(url) as remote:
            assert remote.call("big.digest", body) == hashlib.sha256(body).hexdigest()
            assert remote.call("big.make", {"size": LARGE}) == bytes(LARGE)


def test_large_items_and_calls_go_between_workers(shop: Any, body: bytes) -> None:
    assert shop.call("big.through", body[: 20 * MB]) == body[: 20 * MB]
    assert [len(part) for part in shop.stream("big.halves", body)] == [LARGE // 2] * 2
    assert shop.call("big.streamed", {"size": 8 * MB}) == 8 * MB
    assert shop.call("big.handed", {"n": 40, "size": MB}) == [MB] * 40
    assert shop.call("big.sizes", {"parts": iter([bytes(MB)] * 40)}) == [MB] * 40


def test_what_is_too_large_is_told_and_nobody_is_lost(shop: Any, served: Served) -> None:
    with pytest.raises(InvalidArgument, match="too large") as told:
        shop.call("big.digest", bytes(101 * MB))
    assert told.value.started is Started.NO
    with pytest.raises(ResourceExhausted, match="too large to send"):
        shop.call("big.make", {"size": 101 * MB})
    assert post(served, "big.digest", bytes(101 * MB))[0] == 413
    assert shop.call("big.digest", b"") == hashlib.sha256().hexdigest()


def test_a_worker_cannot_change_the_size_of_its_arenas(shop: Any) -> None:
    said = shop.call("big.shrink", bytes(MB))
    assert len(said) == 6
    assert set(said) == {"PermissionError"}


@pytest.mark.parametrize(
    ("offset", "size"),
    [(1 << 62, MB), (0, 1 << 62), ((1 << 64) - 64, 128), (7, MB), (0, 0), (0, 101 * MB), (1 << 31, MB)],
)
def test_a_region_that_is_none_costs_the_worker_and_not_the_host(shop: Any, offset: int, size: int) -> None:
    with pytest.raises(Unavailable, match="broke the protocol"):
        shop.call("big.lie", {"offset": offset, "size": size})
    assert shop.call("big.digest", bytes(MB)) == hashlib.sha256(bytes(MB)).hexdigest()


def test_a_region_that_was_never_written_is_only_zeros(shop: Any) -> None:
    # A hole in the file: reading it must give pages, not a signal.
    try:
        answer = shop.call("big.lie", {"offset": 64 * MB, "size": 32 * MB}, timeout=10)
    except DataLoss:
        return  # null is wanted in MessagePack: raw bytes that say nothing are as good
    assert answer == bytes(32 * MB)


def test_memory_goes_back_when_a_worker_has_nothing_to_do(tmp_path: Path) -> None:
    with dragoman.open(project_in(tmp_path)) as project:
        assert project.call("big.echo", bytes(LARGE)) == bytes(LARGE)
        assert shared_bytes() > LARGE
        until(lambda: shared_bytes() < MB, within_s=30)
        assert project.call("big.echo", b"again" * MB) == b"again" * MB


def test_a_worker_killed_in_mid_transfer_leaves_no_arena(tmp_path: Path, body: bytes) -> None:
    others = arenas()
    with dragoman.open(project_in(tmp_path)) as project:
        before = arenas()
        for _ in range(3):
            (worker,) = pool_of(host_of(project), "big").workers
            call = project_call(project, body, tmp_path / f"began{worker.pid}")
            os.kill(worker.pid, signal.SIGKILL)
            with pytest.raises(Unavailable):
                call()
            assert project.call("big.digest", b"x") == hashlib.sha256(b"x").hexdigest()
        until(lambda: arenas() == before)
    until(lambda: arenas() == others)


def project_call(project: Any, body: bytes, began: Path) -> Callable[[], Any]:
    """A call that holds its large input, begun; what is given back waits for its end."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(project.call, "big.hold", {"data": body, "began": str(began)})
    until(began.exists)
    return lambda: future.result(20)


def test_a_host_killed_in_mid_transfer_leaves_nothing(tmp_path: Path, hosting: Callable[..., Hosting]) -> None:
    shared = set(SHARED.iterdir())
    host = hosting(project_in(tmp_path), "big.start")
    until((tmp_path / "began").exists)
    below = descendants(host.process.pid)
    assert below
    host.process.kill()
    until(lambda: not any(alive(pid) for pid in below))
    assert set(SHARED.iterdir()) <= shared


async def test_many_large_calls_at_once_are_bounded_and_not_mixed_up(tmp_path: Path) -> None:
    async with dragoman.open(project_in(tmp_path, "20MB")) as project:
        bodies = [bytes([number]) * (8 * MB) for number in range(24)]
        answers = await asyncio.gather(*(project.call("big.digest", body) for body in bodies))
        assert answers == [hashlib.sha256(body).hexdigest() for body in bodies]


def test_who_leaves_while_the_body_comes_in_costs_nothing(served: Served) -> None:
    port = int(served.http.rpartition(":")[2])
    head = f"POST /v1/call/big.digest HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGE}\r\n".encode()
    for _ in range(20):  # together three times what may be held
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(head + b"Content-Type: application/octet-stream\r\n\r\n" + bytes(LARGE - 1))
    assert post(served, "big.digest", bytes(LARGE))[0] == 200


def arenas() -> int:
    """Arenas that this process has open."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum("dragoman_segment" in str(link.readlink()) for link in links)


def shared_bytes() -> int:
    """Memory that the arenas of this process hold."""
    found: dict[int, int] = {}
    for link in Path("/proc/self/fd").iterdir():
        try:
            if "dragoman_segment" in str(link.readlink()):
                stat = link.stat()
                found[stat.st_ino] = stat.st_blocks * 512
        except OSError:
            continue
    return sum(found.values())
