"""The examples, hosted and called: `make demo`.

Starts a server of its own, which builds what has to be built, calls every function once to show its answer, then again
and again to show how fast it answers. A language that this machine has no tools for is named, and left out. On a
terminal it goes on serving until Ctrl-C, elsewhere it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parents[1]
PROJECT = "examples/market"
READY_S_MAX = 900.0
"""The first start builds the Rust functions with all that they depend on: minutes on a small machine."""
ANSWER_S_MAX = 60.0
END_S_MAX = 10.0
ALONE_S = 0.4
TOGETHER_S = 1.0
CONNECTIONS = 16
ANSWER_CHARACTERS_MAX = 60
STARTING = "it is still starting"
TOOL_MISSING = "to install it: "
"""In the reason of a source that this machine has no tools for; any other reason is a defect."""

CALLS: dict[str, dict[str, Any]] = {
    "stats.correlation": {"columns": ["realgdp", "realcons", "unemp"]},
    "stats.normalise": {"column": "cpi", "method": "index"},
    "stats.anomalies": {"column": "cpi", "window": 12, "k": 3},
    "stats.report": {"column": "unemp", "first_year": 2005},
    "summary": {"column": "tbilrate"},
    "rows": {"column": "unemp", "since": 2008},
    "series.between": {"column": "cpi", "since": 2005},
    "series.each": {"column": "unemp", "since": 2009},
    "risk.interval": {"values": [2.1, 3.4, -0.2, 1.8, 2.6, 4.0, 0.3, 2.2]},
    "prices.adjusted": {"amount": "99.95", "then": "127.5", "now": "216.4"},
    "prices.total": {"amounts": ["99.95", "0.05"], "then": "127.5", "now": "216.4"},
    "chart.line": {
        "title": "cpi",
        "points": [{"quarter": "2009Q1", "value": 212.7}, {"quarter": "2009Q2", "value": 214}],
    },
    "desk.briefing": {"columns": ["realgdp", "cpi", "unemp"]},
    "desk.outlook": {"column": "realgdp", "since": 2000, "locale": "de"},
}
"""What each function is asked."""


@dataclass(frozen=True)
class Speed:
    """How fast a function answers: the median for one caller alone, the rate for many at once."""

    p50_s: float
    rate_s: float


@dataclass(frozen=True)
class Answer:
    """What a function said: the beginning of it, whether it is kept for whoever asks next, and the limit on asking."""

    text: str
    kept: bool
    limit: str


class CallFailedError(OSError):
    """A call that failed, with the fault's own words."""


class Connection(asyncio.Protocol):
    """Sends one request over and over on one connection, each as soon as the last is answered."""

    def __init__(self, request: bytes, until: float) -> None:
        self.request = request
        self.until = until
        self.took: list[float] = []
        self.ended = asyncio.get_running_loop().create_future()
        self._buffer = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not is_whole(self._buffer):
            return
        if not self._buffer.startswith(b"HTTP/1.1 200"):
            self._fail(RuntimeError(self._buffer.decode(errors="replace").splitlines()[0]))
            return
        self._buffer = b""
        now = time.perf_counter()
        self.took.append(now - self._sent_at)
        if now < self.until:
            self._send()
        else:
            self.ended.set_result(None)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionError("the server closed the connection"))

    def _fail(self, error: Exception) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)
            self._transport.close()


def is_whole(answer: bytes) -> bool:
    """Whether all of an HTTP answer is there, of known length or in chunks."""
    head, gap, body = answer.partition(b"\r\n\r\n")
    if not gap:
        return False
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return len(body) >= int(length.group(1)) if length else body.endswith(b"0\r\n\r\n")


async def measure(port: int, function: str, *, streaming: bool, computed: bool = True) -> Speed:
    """Call for a while, alone and then with company; `computed` has the function run each time, cache or not."""
    body = json.dumps(CALLS[function]).encode()
    accept = "application/jsonl" if streaming else "application/json"
    head = f"POST /v1/call/{function} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    head += "Cache-Control: no-cache\r\n" if computed else ""
    request = f"{head}Accept: {accept}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    alone = await _drive(port, request, 1, ALONE_S)
    start = time.perf_counter()
    together = await _drive(port, request, CONNECTIONS, TOGETHER_S)
    return Speed(statistics.median(alone), len(together) / (time.perf_counter() - start))


async def _drive(port: int, request: bytes, connections: int, seconds: float) -> list[float]:
    loop = asyncio.get_running_loop()
    until = time.perf_counter() + seconds
    made = [
        (await loop.create_connection(lambda: Connection(request, until), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.wait_for(asyncio.gather(*(each.ended for each in made)), seconds + ANSWER_S_MAX)
    return [took for each in made for took in each.took]


@contextlib.contextmanager
def serving(port: int, console: Console) -> Generator[dict[str, str]]:
    """Host the project in a process of its own, which ends with the block. Gives why, for sources that cannot start.

    Raises:
        SystemExit: it did not become ready; its own words come first.
    """
    command = [sys.executable, "-m", "dragoman", "serve", PROJECT, "--port", str(port)]
    with tempfile.NamedTemporaryFile() as output:
        server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            missing = _becomes_ready(server, port, Told(Path(output.name), console))
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

    def __init__(self, output: Path, console: Console) -> None:
        self._lines = output.open(encoding="utf-8", errors="replace")
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


def call(port: int, function: str, *, streaming: bool) -> Answer:
    """Call once and give the answer, shortened. Raises `OSError`."""
    headers = {"Content-Type": "application/json", "Accept": "application/jsonl" if streaming else "application/json"}
    url = f"http://127.0.0.1:{port}/v1/call/{function}"
    post = urllib.request.Request(url, json.dumps(CALLS[function]).encode(), headers)
    try:
        with urllib.request.urlopen(post, timeout=ANSWER_S_MAX) as answer:
            said = answer.headers
            return Answer(short(answer.read().decode()), "ETag" in said, said.get("RateLimit-Policy", ""))
    except urllib.error.HTTPError as error:
        raise CallFailedError(json.loads(error.read())["detail"]) from None


def short(answer: str) -> str:
    """The beginning of an answer, on one line, numbers to four places."""
    line = " ".join(answer.split("\n")).strip()
    line = re.sub(r"(\d+\.\d{4})\d+", r"\1", line)
    return line if len(line) <= ANSWER_CHARACTERS_MAX else line[: ANSWER_CHARACTERS_MAX - 1] + "…"


def show(port: int, console: Console, missing: dict[str, str]) -> bool:
    """Call everything and print the table; False where anything failed that this machine has the tools for."""
    table = Table("function", "language", "mode", "answer", title="Dragoman, examples/market")
    for column in ("p50", "calls/s", "kept: p50", "calls/s"):
        table.add_column(column, justify="right")
    well = True
    for contract in json.loads(get(port, "/v1/functions"))["functions"]:
        name, streaming = contract["name"], contract["streaming"]
        if name not in CALLS:
            table.add_row(name, contract["language"], contract["mode"], "(no example call)")
            continue
        with console.status(f"calling {name}"):
            try:
                answer = call(port, name, streaming=streaming)
                figures = speeds(port, name, answer, streaming=streaming)
            except (OSError, RuntimeError, TimeoutError) as error:
                lacking = [each for each, reason in missing.items() if reason in str(error)]
                said = f"needs {', '.join(lacking)}" if lacking else f"failed: {error}"
                table.add_row(name, contract["language"], contract["mode"], said)
                well = well and bool(lacking)
                continue
        table.add_row(name, contract["language"], contract["mode"], answer.text, *figures)
    console.print(table)
    for name, reason in missing.items():
        console.print(f"{name} is left out: {reason}", markup=False)
    return well and all(TOOL_MISSING in reason for reason in missing.values())


def speeds(port: int, function: str, answer: Answer, *, streaming: bool) -> list[str]:
    """How fast a function answers, and how fast where its answer is kept. Raises `OSError`, `RuntimeError`."""
    if answer.limit:
        return ["limited", "by rate"]  # to measure it is what its limit is against
    found = [asyncio.run(measure(port, function, streaming=streaming))]
    if answer.kept:
        found.append(asyncio.run(measure(port, function, streaming=streaming, computed=False)))
    return [figure for speed in found for figure in (f"{speed.p50_s * 1e3:.2f} ms", f"{speed.rate_s:,.0f}")]


def _stop(number: int, _frame: object) -> None:
    """Leave by way of every `finally`, so that the server ends too."""
    sys.exit(128 + number)


def main() -> int:
    """Serve, show, and go on serving where somebody watches."""
    signal.signal(signal.SIGTERM, _stop)
    watched = sys.stdin.isatty() and sys.stdout.isatty()
    console = Console(width=None if watched else 160)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with serving(port, console) as missing:
        well = show(port, console, missing)
        if watched:
            console.print(f"Serving on http://127.0.0.1:{port} (documentation: /docs). Ctrl-C ends it.")
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
