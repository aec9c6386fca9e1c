from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.config.load import load
from dragoman.host.assemble import Parts, launch_confinement, parts
from dragoman.host.journal import SilentJournal
from dragoman.host.serving import Ingresses, Serving
from dragoman.ingress.http.options import HttpOptions
from dragoman.telemetry.log import Log, LogOptions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from tests.host.conftest import Write

SHOP = """
    from pathlib import Path

    def double(n: int) -> int:
        return 2 * n

    def waits(gate: str) -> str:
        Path(gate + ".begun").write_text("")
        return Path(gate).read_text()
"""

TWO_SIGNALS = """
import asyncio, os, signal
from dragoman.host.serving import until_told

async def main():
    begun = asyncio.ensure_future(until_told(lambda: print("second", flush=True)))
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGINT)
    print("first", await begun, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def made(write: Write) -> Iterator[Parts]:
    confinement = launch_confinement()
    yield parts(load([write(shop__py=SHOP) / "shop.py"]), lambda _: SilentJournal(), confinement)
    confinement.close()


@asynccontextmanager
async def serving(made: Parts, **options: Any) -> AsyncGenerator[Serving]:
    log = Log(LogOptions(level="error"))
    served = Serving(made, Ingresses(HttpOptions(port=0, **options)), log, "9.9")
    await served.start()
    try:
        yield served
    finally:
        if not served.host.draining:
            await served.stop()
        log.close()


async def fetch(url: str, body: object = None) -> tuple[int, str]:
    def ask() -> tuple[int, str]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(ask)


def begun_gate(write: Write) -> str:
    """Two pipes: a function that is in `waits` writes to the first, and reads the second."""
    gate = write() / "gate"
    os.mkfifo(gate)
    os.mkfifo(f"{gate}.begun")
    return str(gate)


def open_fifo(path: str, text: str = "") -> None:
    """Meet the function at a pipe."""
    if text:
        Path(path).write_text(text)
    else:
        Path(path).read_text()


async def test_a_host_is_called_and_counted_over_http(made: Parts) -> None:
    async with serving(made) as served:
        url = served.url
        assert await fetch(f"{url}/v1/call/shop.double", {"n": 4}) == (200, "8")
        assert (await fetch(f"{url}/v1/call/shop.nothing", {}))[0] == 404
        assert '"shop.double"' in (await fetch(f"{url}/v1/functions"))[1]
        _, metrics = await fetch(f"{url}/metrics")
        assert 'version="9.9"' in metrics
        assert 'function="shop.double"' in metrics
    assert made.confinement.spawner_pid == 0


async def test_a_port_that_is_taken_is_told_before_anything_starts(made: Parts) -> None:
    async with serving(made) as served:
        port = int((served.url or "").rpartition(":")[2])
        with pytest.raises(OSError, match=str(port)):
            Serving(made, Ingresses(HttpOptions(port=port)), Log(), "9.9")


async def test_calls_in_flight_finish_within_the_grace(made: Parts, write: Write) -> None:
    gate = begun_gate(write)
    async with serving(made, shutdown_grace_s=20.0) as served:
        answer = asyncio.ensure_future(fetch(f"{served.url}/v1/call/shop.waits", {"gate": gate}))
        await asyncio.to_thread(open_fifo, f"{gate}.begun")
        stopping = asyncio.ensure_future(served.stop())
        await asyncio.to_thread(open_fifo, gate, "done")
        assert await answer == (200, '"done"')
        await stopping


async def test_calls_that_outlast_the_grace_are_answered_too(made: Parts, write: Write) -> None:
    gate = begun_gate(write)
    async with serving(made, shutdown_grace_s=0.05) as served:
        answer = asyncio.ensure_future(fetch(f"{served.url}/v1/call/shop.waits", {"gate": gate}))
        await asyncio.to_thread(open_fifo, f"{gate}.begun")
        await served.stop()
        status, problem = await answer
    assert (status, json.loads(problem)["code"]) == (503, "UNAVAILABLE")


def test_the_first_signal_is_waited_for_and_the_second_ends_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", TWO_SIGNALS], capture_output=True, text=True, check=False, timeout=30)
    assert done.stdout.split("\n")[:2] == [f"first {int(signal.SIGINT)}", "second"]
    assert done.returncode == 128 + signal.SIGTERM
