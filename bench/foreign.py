"""Programs of other languages that call Python functions (`bench/callers`): how each is built and run."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench import servers
from bench.native import served
from bench.servers import ROOT, find_go, found, make
from bench.system import READY_S_MAX, pinned, running

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from bench.contest import Turn
    from bench.outcome import Sample

HERE = ROOT / "bench" / "callers"
CALLER_S_MAX = 300
POLL_S = 0.01
TALES = {
    "dragoman": "Dragoman, unix://",
    "ping": "ping-pong, UNIX socket",
    "grpc": "grpc-go to grpcio, UNIX socket",
    "http": "HTTP to FastAPI",
    "pythonia": "JSPyBridge (pythonia)",
    "plugin": "hashicorp/go-plugin, net/rpc",
}
"""The ways of calling, and how they are shown."""
WAYS = {
    "Go": ("dragoman", "ping", "grpc", "http"),
    "Rust": ("dragoman", "ping", "http"),
    "Node": ("dragoman", "ping", "pythonia", "http"),
    "Java": ("dragoman", "ping", "http"),
}


def build(language: str) -> list[str]:
    """Build a caller, which its language's tool skips where nothing changed. Raises `Missing` without that."""
    made = ROOT / "bench" / ".build" / "callers"
    made.mkdir(parents=True, exist_ok=True)
    folder = HERE / language.lower()
    match language:
        case "Go":
            make([find_go() or "go", "build", "-o", str(made / "go"), "."], folder)
            return [str(made / "go")]
        case "Rust":
            make(["cargo", "build", "--release", "--quiet", "--locked", "--target-dir", str(made / "rust")], folder)
            return [str(made / "rust" / "release" / "caller")]
        case "Java":
            library = ROOT / "sdk" / "java"
            make(["sh", str(library / "build.sh")], library)
            path = f"{library / 'target' / 'classes'}:{made / 'java'}"
            make(["javac", "--release", "17", "-cp", path, "-d", str(made / "java"), "Caller.java"], folder)
            return [found("java"), "-cp", path, "Caller"]
        case _:
            peers = made / "node"
            peers.mkdir(exist_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(folder / name, peers)
            make(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], peers)
            return [found("node"), str(folder / "caller.mjs")]


@contextlib.contextmanager
def contestant(command: list[str], way: str, calls: int, language: str = "Python") -> Generator[Turn]:
    """One way of calling a function in a language, from a program that is built."""
    with served_for(way, language) as (address, pid):
        yield partial(_turn, [*command, way, address, str(calls)], pid)


@contextlib.contextmanager
def served_for(way: str, language: str = "Python") -> Generator[tuple[str, int]]:
    """What a way calls: its address, and the process to pin; 0 for none of its own."""
    if way == "dragoman":
        with served(servers.prepare_guest(language)) as (url, pid):
            yield url, pid
    elif way == "plugin":
        yield "", 0
    elif way == "http":
        with servers.on_free_port(servers.fastapi) as server:
            yield server.url, server.pid
    elif way == "pythonia":
        yield str(ROOT / "bench" / "functions.py"), 0
    else:
        module, scheme = ("bench.peers.grpc_unix", "unix:") if way == "grpc" else ("bench.peers.echo_server", "")
        with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as folder:
            address = f"{scheme}{folder}/peer.sock"
            with running([sys.executable, "-m", module, address]) as child:
                _until((Path(folder) / "peer.sock").exists, child.check)
                yield address, child.process.pid


def _until(ready: Callable[[], bool], check: Callable[[], None]) -> None:
    give_up_at = time.monotonic() + READY_S_MAX
    while not ready():
        check()
        if time.monotonic() > give_up_at:
            raise RuntimeError(f"not ready after {READY_S_MAX:.0f} s")
        time.sleep(POLL_S)


def _turn(command: list[str], pid: int) -> Sample:
    figures = _measure(command)
    with pinned(*([pid] if pid else [])):
        alone = _measure(command)
    return {**figures, "pinned_p50_us": alone["p50_us"]}


def _measure(command: list[str]) -> Sample:
    done = subprocess.run(command, capture_output=True, text=True, timeout=CALLER_S_MAX, check=False, cwd=ROOT)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it ended without a word"])[-1])
    return json.loads(done.stdout.splitlines()[-1])
