"""The Node client against real hosts: one that it is told of, and one that it starts for itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.certificates import pair
from tests.client.native_host import native_host
from tests.integration.conftest import alive, descendants, until

SDK = Path(__file__).parents[2] / "sdk" / "node" / "src" / "index.js"
CALLER = Path(__file__).parent / "sources" / "node" / "caller.mjs"
PYTHON = """
from collections.abc import Iterator
from dragoman import Fault
import time

def echo(value: object) -> object: return value
def raw(data: bytes) -> bytes: return data[::-1]
def count(to: int) -> Iterator[int]: yield from range(to)
def total(numbers: Iterator[int]) -> int: return sum(numbers)
def slow() -> str:
    time.sleep(60)
    return "late"
def fail() -> None: raise Fault.failed_precondition("not now")
"""
PROGRAM = """
import { open } from "$SDK";
const host = await open(".", { program: [$PYTHON, "-m", "dragoman"], log: "ignore" });
const say = (value) => console.log(JSON.stringify(value, (_, each) => typeof each === "bigint" ? String(each) : each));
async function* counted(to) { for (let at = 0; at < to; at++) yield at; }
$BODY
"""

pytestmark = pytest.mark.needs("node")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one Python source."""
    (tmp_path / "py.py").write_text(PYTHON)
    (tmp_path / "dragoman.toml").write_text('[project]\nname = "shop"\n[sources.py]\npath = "py.py"\n')
    return tmp_path


def program(folder: Path, body: str) -> tuple[str, ...]:
    """A Node program that hosts a project for itself."""
    text = PROGRAM.replace("$SDK", SDK.as_uri()).replace("$PYTHON", json.dumps(sys.executable)).replace("$BODY", body)
    (folder / "program.mjs").write_text(text)
    return ("node", str(folder / "program.mjs"))


def run(folder: Path, body: str) -> list[object]:
    """What a program says, line by line."""
    done = subprocess.run(program(folder, body), cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_values_streams_and_faults_of_a_python_function(project: Path) -> None:
    said = run(
        project,
        """
        say(host.service);
        say(await host.call("py.echo", { value: { n: 2n ** 80n, f: 0.5, t: "é😀", no: null, l: [[], {}] } }));
        say((await host.call("py.raw", { data: Buffer.from("abc") })).toString());
        say(await host.call("py.total", { numbers: counted(1000) }));
        let sum = 0;
        for await (const item of host.stream("py.count", { to: 5000 })) sum += item;
        say(sum);
        const told = (fault) => say([fault.code, fault.started]);
        const fails = (name, options) => host.call(name, {}, options).catch(told);
        await fails("py.fail");
        await fails("py.slow", { timeout: 200 });
        await fails("py.slow", { signal: AbortSignal.timeout(100) });
        await fails("py.nope");
        say((await host.functions()).functions.length);
        await host.close();
        """,
    )
    assert said == [
        "shop",
        {"n": str(2**80), "f": 0.5, "t": "é😀", "no": None, "l": [[], {}]},
        "cba",
        499500,
        12497500,
        ["FAILED_PRECONDITION", "yes"],
        ["DEADLINE_EXCEEDED", "yes"],
        ["DEADLINE_EXCEEDED", "unknown"],
        ["NOT_FOUND", "no"],
        6,
    ]


def test_a_host_of_its_own_ends_with_its_program(project: Path) -> None:
    command = program(project, 'say(process.pid); say(host.pid); await host.call("py.slow");')
    process = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    node = int(process.stdout.readline())  # not always the process itself: it may be the child of a script
    host = int(process.stdout.readline())
    family = {host, *descendants(host)}
    os.kill(node, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    until(lambda: not any(alive(pid) for pid in family))


def says(*arguments: str) -> str:
    """What the caller prints."""
    command = ["node", str(CALLER), SDK.as_uri(), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_a_host_on_a_unix_socket_is_called(tmp_path: Path) -> None:
    with native_host(tmp_path) as host:
        assert says(host.url) == "done\n"


@pytest.mark.needs("openssl")
def test_a_host_over_tls_is_called_and_must_be_who_it_says(tmp_path: Path) -> None:
    cert, key = pair(tmp_path)
    (tmp_path / "token").write_text("s3cret")
    options = ("--tls-cert", str(cert), "--tls-key", str(key), "--token-file", str(tmp_path / "token"))
    with native_host(tmp_path, *options, address="tcp+tls://127.0.0.1:0") as host:
        assert says(host.url, str(cert), "s3cret") == "done\n"
        assert says(host.url, str(cert), "wrong").startswith("UNAUTHENTICATED")
        (tmp_path / "other").mkdir()
        other = pair(tmp_path / "other").cert
        begun = time.monotonic()
        assert says(host.url, str(other), "s3cret").startswith("UNAVAILABLE")
        assert time.monotonic() - begun < 10.0  # not tried for all of its connect timeout


def test_a_client_outlives_its_host(tmp_path: Path) -> None:
    command = ["node", str(CALLER), SDK.as_uri()]
    with (
        native_host(tmp_path) as host,
        subprocess.Popen(
            [*command, host.url, "again"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        host.stop(signal.SIGKILL)
        assert process.stdout.readline() == "UNAVAILABLE\n"
        host.start()
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert process.stdout.read() == "3\ndone\n"


def test_a_host_of_its_own_that_is_killed_is_told_at_once(project: Path) -> None:
    said = run(
        project,
        """
        const told = (fault) => say([fault.code, fault.started]);
        const pending = host.call("py.slow").catch(told);
        process.kill(host.pid, "SIGKILL");
        await pending;
        await new Promise((resolve) => setTimeout(resolve, 100));
        const begun = performance.now();
        await host.call("py.fail").catch(told);
        say(performance.now() - begun < 1000);
        await host.close();
        """,
    )
    assert said == [["UNAVAILABLE", "unknown"], ["UNAVAILABLE", "no"], True]
