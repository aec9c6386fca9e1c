"""A Rust program that calls a real host: over a UNIX socket, over TLS, and as the host's parent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.certificates import pair
from tests.integration.conftest import alive, descendants, until

RUST = Path(__file__).parents[2] / "sdk" / "rust"
DRAGOMAN = str(Path(sys.executable).parent / "dragoman")
BUILD_S_MAX = 500
RUN_S_MAX = 60
SOURCE = """
import asyncio, os, time
from collections.abc import AsyncIterator, Iterator
from typing import Any

def pid() -> int: return os.getpid()
def echo(value: Any) -> Any: return value
def power(base: int, exponent: int) -> int: return base ** exponent
def reverse(data: bytes) -> bytes: return data[::-1]
def count(n: int) -> Iterator[int]: yield from range(n)
def slow() -> None: time.sleep(60)
def total(numbers: Iterator[int]) -> int: return sum(numbers)
def double(numbers: Iterator[int]) -> Iterator[int]: yield from (2 * number for number in numbers)

async def wait(began: str, ended: str) -> None:
    open(began, "w").close()
    try:
        await asyncio.sleep(60)
    finally:
        open(ended, "w").close()

async def drip(began: str, ended: str) -> AsyncIterator[int]:
    yield 1
    await wait(began, ended)
"""

pytestmark = [
    pytest.mark.needs("cargo"),
    pytest.mark.timeout(600),  # the first build of a checkout compiles the crate, its dependencies and a TLS library
]


@pytest.fixture(scope="module")
def programs() -> Path:
    """The folder of the examples, built as the crate's own tests build them."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", RUST / "target"))
    build = ("cargo", "build", "--quiet", "--locked", "-j2", "--all-features", "--examples", "--target-dir", target)
    done = subprocess.run(build, cwd=RUST, capture_output=True, text=True, timeout=BUILD_S_MAX, check=False)
    assert done.returncode == 0, done.stderr
    return target / "debug" / "examples"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The Python source that is called."""
    path = tmp_path / "py.py"
    path.write_text(SOURCE)
    return path


@contextmanager
def served(source: Path, *options: str) -> Generator[tuple[str, subprocess.Popen[str]]]:
    """Serve natively meanwhile; gives the address and the host."""
    flags = ("--no-http", "--json", "--log", "error", "--exit-with-stdin", *options)
    with subprocess.Popen(
        [DRAGOMAN, "serve", source, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as host:
        try:
            assert host.stdout is not None
            yield json.loads(host.stdout.readline())["native"][0], host
        finally:
            host.terminate()


def calls(programs: Path, address: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the example that calls in every way, to its end."""
    command = (programs / "calls", address, folder, *more)
    return subprocess.run(command, capture_output=True, text=True, timeout=RUN_S_MAX, check=False)


def test_calls_of_every_sort_over_a_unix_socket(programs: Path, source: Path, tmp_path: Path) -> None:
    with served(source, "--native", f"unix://{tmp_path}/host.sock") as (address, _):
        done = calls(programs, address, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "all is well" in done.stdout


@pytest.mark.needs("openssl")
def test_calls_of_every_sort_over_tls(programs: Path, source: Path, tmp_path: Path) -> None:
    made = pair(tmp_path)
    (tmp_path / "other").mkdir()
    other = pair(tmp_path / "other").cert
    token = tmp_path / "token"
    token.write_text("secret-of-the-shop\n")
    token.chmod(0o600)
    tls = ("--tls-cert", str(made.cert), "--tls-key", str(made.key), "--token-file", str(token))
    with served(source, "--native", "tcp+tls://127.0.0.1:0", *tls) as (address, _):
        done = calls(programs, address, tmp_path, "secret-of-the-shop", str(made.cert))
        assert done.returncode == 0, done.stderr
        wrong = calls(programs, address, tmp_path, "another", str(made.cert))
        assert "code: Unauthenticated" in wrong.stderr
        for authorities in ((), (str(other),)):
            stranger = calls(programs, address, tmp_path, "secret-of-the-shop", *authorities)
            assert stranger.returncode != 0
            assert "code: Unavailable" in stranger.stderr
            assert "certificate" in stranger.stderr


@contextmanager
def asking(programs: Path, at: str | Path) -> Generator[tuple[subprocess.Popen[str], IO[str], IO[str]]]:
    """The running example that calls once for each line, with what it reads and writes."""
    env = os.environ | {"DRAGOMAN": DRAGOMAN}
    with subprocess.Popen(
        [programs / "lines", at], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        try:
            yield program, program.stdin, program.stdout
        finally:
            program.kill()


def ask(lines: IO[str], answers: IO[str]) -> str:
    """One call's answer."""
    lines.write("\n")
    lines.flush()
    return answers.readline().strip()


def test_a_host_that_comes_back_is_called_again(programs: Path, source: Path, tmp_path: Path) -> None:
    options = ("--native", f"unix://{tmp_path}/host.sock")
    with served(source, *options) as (address, host), asking(programs, address) as (_, lines, answers):
        first = int(ask(lines, answers))
        host.kill()
        host.wait()
        until(lambda: not alive(first))
        with served(source, *options):
            assert int(ask(lines, answers)) != first


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "closed"])
def test_a_project_ends_with_the_program_that_opened_it(programs: Path, source: Path, *, killed: bool) -> None:
    with asking(programs, source) as (program, lines, answers):
        worker = int(ask(lines, answers))
        family = descendants(program.pid)
        assert worker in family
        if killed:
            program.kill()
        else:
            lines.close()
            assert program.wait(20) == 0
        until(lambda: not any(alive(pid) for pid in family))


def test_a_project_that_cannot_start_says_why(programs: Path, tmp_path: Path) -> None:
    missing = tmp_path / "nothing.py"
    with_one = os.environ | {"DRAGOMAN": DRAGOMAN}
    done = subprocess.run([programs / "lines", missing], env=with_one, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the host did not start" in done.stderr
    assert "no such file" in done.stderr
    without = os.environ | {"DRAGOMAN": str(tmp_path / "dragoman")}
    done = subprocess.run([programs / "lines", missing], env=without, capture_output=True, text=True, check=False)
    assert "install dragoman, or name it in DRAGOMAN" in done.stderr
