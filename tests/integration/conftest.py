"""Projects on disk, hosted for real, and ways to see which processes live."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dragoman.config.load import load
from dragoman.core.fault import Fault
from dragoman.host.assemble import host as assemble
from dragoman.host.assemble import parts
from dragoman.host.blocking import BlockingProject
from dragoman.host.embedded import AsyncProject
from dragoman.host.host import Host
from dragoman.host.hosted import PooledSource
from dragoman.host.journal import Journal, SilentJournal
from dragoman.host.watch import watch
from dragoman.workers.pool import Pool
from tests.integration.five import Five, five_served
from tests.valkey import Server

pytest.register_assert_rewrite("tests.integration.bad_luck")

PATIENCE_S = 20.0
SUPPORT = Path(__file__).parent / "support"

Write = Callable[..., Path]
Reloaded = tuple[str, Fault | None]


def alive(pid: int) -> bool:
    """True while a process runs; a zombie has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def marked(mark: str) -> set[int]:
    """Running processes with `mark` among their arguments."""
    found: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark.encode() in arguments and alive(int(folder.name)):
            found.add(int(folder.name))
    return found


def descendants(pid: int) -> set[int]:
    """Every process below one."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in found | {pid}} - found:
        found |= more
    return found


def until(condition: Callable[[], object], within_s: float = PATIENCE_S) -> float:
    """Poll until a condition holds; returns the seconds it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < within_s, f"not within {within_s} s"
        time.sleep(0.005)
    return time.monotonic() - begun


async def soon(condition: Callable[[], object], within_s: float = PATIENCE_S) -> float:
    """Like `until`, with the loop running."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < within_s, f"not within {within_s} s"
        await asyncio.sleep(0.005)
    return time.monotonic() - begun


@pytest.fixture(scope="session")
def five(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Five]:
    """The conformance service in five languages, in one host."""
    with five_served(tmp_path_factory.mktemp("five")) as served:
        yield served


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a project: file names and texts; the folder."""

    def make(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / name.replace("__", ".")
            path.write_text(textwrap.dedent(text))
            if path.suffix == ".sh":
                path.chmod(0o755)
        return tmp_path

    return make


@pytest.fixture
def server() -> Iterator[Server]:
    """A store for the test alone, which it may kill."""
    server = Server()
    yield server
    server.close()


@pytest.fixture
def mark() -> str:
    """A number of seconds, unique to this test, for `sleep`: found again by `marked`."""
    return f"47{time.monotonic_ns() % 10**9}"


@asynccontextmanager
async def hosted(
    folder: Path, *, start: bool = True, journal: Journal | None = None, watching: list[Reloaded] | None = None
) -> AsyncGenerator[Host]:
    """A host on the running loop; with a list to fill, one that reloads what changes on disk."""
    project = load([folder])
    host = assemble(parts(project, lambda _: journal or SilentJournal()))
    watcher: asyncio.Task[None] | None = None
    try:
        if start:
            assert await host.start() == {}
        if watching is not None:
            told = watching
            watcher = asyncio.ensure_future(watch(host, lambda name, fault: told.append((name, fault))))
        yield host
    finally:
        if watcher is not None:
            watcher.cancel()
        await host.stop(0)


def host_of(project: AsyncProject | BlockingProject) -> Host:
    """The host inside an opened project, which its callers have no business with."""
    host = vars(project)["_host"]
    assert isinstance(host, Host)
    return host


def pool_of(host: Host, source: str) -> Pool:
    """The pool that serves a source now."""
    hosted = host.registry.sources[source]
    assert isinstance(hosted, PooledSource)
    return hosted.pool


class Hosting:
    """A program that hosts a project in a process of its own, and prints its workers' process ids."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            (sys.executable, str(SUPPORT / "hosting.py"), str(folder), *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """The next line it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def hosting() -> Iterator[Callable[..., Hosting]]:
    """Host a project in a process that a test may kill."""
    made: list[Hosting] = []

    def start(folder: Path, *arguments: str) -> Hosting:
        made.append(Hosting(folder, *arguments))
        return made[-1]

    yield start
    for each in made:
        each.close()
