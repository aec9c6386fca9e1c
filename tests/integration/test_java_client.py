"""A Java program that calls a host, or hosts a project in a child process, and what becomes of that child."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.certificates import pair
from tests.client.native_host import native_host
from tests.integration.conftest import alive, descendants, until

HERE = Path(__file__).parent
LIBRARY = HERE.parents[1] / "sdk" / "java"
SOURCE = """
import os

def pid() -> int: return os.getpid()
"""

pytestmark = pytest.mark.needs("javac")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The caller, compiled: its command."""
    folder = tmp_path_factory.mktemp("caller")
    source = HERE / "sources" / "java" / "Caller.java"
    classes = LIBRARY / "target" / "classes"
    subprocess.run([LIBRARY / "build.sh"], check=True, capture_output=True)
    subprocess.run(["javac", "-cp", classes, "-d", folder, source], check=True, capture_output=True)
    return ("java", "-cp", f"{folder}:{classes}", "Caller")


def says(program: tuple[str, ...], *arguments: str) -> str:
    """What the caller prints."""
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_a_host_on_a_unix_socket_is_called(program: tuple[str, ...], tmp_path: Path) -> None:
    with native_host(tmp_path) as host:
        assert says(program, host.url) == "done\n"


@pytest.mark.needs("openssl")
def test_a_host_over_tls_is_called_and_must_be_who_it_says(program: tuple[str, ...], tmp_path: Path) -> None:
    cert, key = pair(tmp_path)
    (tmp_path / "token").write_text("s3cret")
    options = ("--tls-cert", str(cert), "--tls-key", str(key), "--token-file", str(tmp_path / "token"))
    with native_host(tmp_path, *options, address="tcp+tls://127.0.0.1:0") as host:
        assert says(program, host.url, str(cert), "s3cret") == "done\n"
        assert "UNAUTHENTICATED" in says(program, host.url, str(cert), "wrong")
        (tmp_path / "other").mkdir()
        other = pair(tmp_path / "other").cert
        assert "UNAVAILABLE" in says(program, host.url, str(other), "s3cret")


@contextmanager
def calling(program: tuple[str, ...], folder: Path) -> Generator[tuple[subprocess.Popen[str], set[int]]]:
    """The running caller, after its call, and every process below it."""
    (folder / "work.py").write_text(SOURCE)
    env = os.environ | {"DRAGOMAN": str(Path(sys.executable).parent / "dragoman")}
    with subprocess.Popen(
        [*program, "open", folder / "work.py", "work.pid"],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            worker = int(process.stdout.readline())
            family = descendants(process.pid)
            assert worker in family
            yield process, family
        finally:
            process.kill()


def test_a_project_ends_when_it_is_closed(program: tuple[str, ...], tmp_path: Path) -> None:
    with calling(program, tmp_path) as (process, family):
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.wait(20) == 0
        until(lambda: not any(alive(pid) for pid in family))


def test_a_project_dies_with_the_program_that_opened_it(program: tuple[str, ...], tmp_path: Path) -> None:
    with calling(program, tmp_path) as (process, family):
        process.kill()
        until(lambda: not any(alive(pid) for pid in family))
