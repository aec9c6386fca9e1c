"""Load over HTTP by wrk, which costs the machine far less than any client in Python."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.system import READY_S_MAX, Missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.system import Child
    from bench.workload import Request

NUMBERS = 10**8
"""No run sends so many requests."""
RUNS = itertools.count(1)
UNITS_US = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6}


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk saw."""

    calls: int
    rate_s: float
    p50_us: float
    p99_us: float


def wrk() -> str:
    """Where wrk is. Raises `Missing` where it is not."""
    found = shutil.which("wrk")
    if found is None:
        raise Missing("wrk is not installed: apt-get install wrk")
    return found


def drive(
    base: str,
    request: Request,
    connections: int,
    seconds: float,
    varied: bytes = b"",
    *,
    headers: Mapping[str, str] | None = None,
) -> Load:
    """Send one request over and over, on so many connections; with a number in place of what is `varied` in its body.

    The number is another one each time, in all runs of one program.

    Raises:
        Missing: there is no wrk.
        RuntimeError: any call failed: a fast refusal is no throughput.
    """
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as folder:
        script = Path(folder) / "post.lua"
        script.write_text(script_of(request.body, varied, headers))
        command = [wrk(), "-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s", "--latency", "-s", str(script)]
        done = subprocess.run(
            [*command, base + request.path], capture_output=True, text=True, timeout=seconds + 30, check=True
        )
    return parse(done.stdout)


def script_of(body: bytes, varied: bytes = b"", headers: Mapping[str, str] | None = None) -> str:
    """What wrk is told: to send a body, or one body after the other that differ in what is `varied`."""
    plain = f'wrk.method = "POST"\nwrk.body = "{_quoted(body)}"\n'
    for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
        plain += f'wrk.headers["{name}"] = "{value}"\n'
    if not varied:
        return plain
    before, after = map(_quoted, body.split(varied))
    return (
        f"{plain}local number = {next(RUNS) * NUMBERS}\n"
        "function request()\n"
        "  number = number + 1\n"
        f'  return wrk.format(nil, nil, nil, "{before}" .. string.format("%d", number) .. "{after}")\n'
        "end\n"
    )


def _quoted(body: bytes) -> str:
    return "".join(f"\\{byte:03d}" for byte in body)


def parse(output: str) -> Load:
    """Read what wrk prints. Raises `RuntimeError` where any request failed."""
    failed = re.search(r"Non-2xx or 3xx responses: \d+|Socket errors: .*", output)
    if failed:
        raise RuntimeError(f"wrk saw failures: {failed.group()}")
    calls = re.search(r"(\d+) requests in", output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if not calls or not rate:
        raise RuntimeError(f"wrk said something unexpected: {output!r}")
    return Load(int(calls.group(1)), float(rate.group(1)), _percentile(output, "50"), _percentile(output, "99"))


def _percentile(output: str, share: str) -> float:
    found = re.search(rf"^\s+{share}%\s+([\d.]+)(us|ms|s|m)$", output, re.MULTILINE)
    if not found:
        raise RuntimeError(f"wrk named no {share}th percentile: {output!r}")
    return float(found.group(1)) * UNITS_US[found.group(2)]


def ask(base: str, request: Request) -> object:
    """Call once and decode the answer."""
    post = urllib.request.Request(base + request.path, request.body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(post, timeout=READY_S_MAX) as answer:
        return json.load(answer)


def until_answer(base: str, request: Request, child: Child) -> None:
    """Wait until a server gives the right answer.

    Raises:
        RuntimeError: it ended, gave a wrong one, or none in `READY_S_MAX`.
    """
    give_up_at = time.monotonic() + READY_S_MAX
    while True:
        child.check()
        try:
            answer = ask(base, request)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{base}{request.path} answered {error.code}: {error.read()!r}") from error
        except OSError as error:
            if time.monotonic() > give_up_at:
                raise RuntimeError(f"{base}{request.path} does not answer: {child.tail()}") from error
            time.sleep(0.01)
        else:
            break
    if answer != request.answer:
        raise RuntimeError(f"{base}{request.path} answered {answer!r}, not {request.answer!r}")
