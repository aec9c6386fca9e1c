"""Whoever opens a project waits for what is built, and for no slow start beyond that."""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dragoman
from dragoman.host.serving import START_S
from dragoman.wire.frame import HEADER_BYTES, Kind
from tests.host.projects import ask, hosting
from tests.integration.conftest import soon, until

SHORT_S = 0.01
"""Patience that has run out whenever anybody looks."""
COMPILER = """#!/bin/sh
[ "$1" = version ] && exec echo go version go1.30 linux/amd64
: > {folder}/began
read -r _ < {folder}/gate
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\nDRAGOMAN_SOURCE={folder}/shop.py exec {python} -P -m dragoman.guest\\n' > "$2"
chmod +x "$2"
"""


class Compiling:
    """A project with one source that is there at once, and one whose compiler waits to be told to go on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.began = folder / "began"
        self._gate = folder / "gate"
        os.mkfifo(self._gate)
        (folder / "bin").mkdir()
        compiler = folder / "bin/go"
        compiler.write_text(COMPILER.format(folder=folder, python=sys.executable))
        compiler.chmod(0o755)
        (folder / "shop.py").write_text("def f() -> int:\n    return 7\n")
        (folder / "made.go").write_text("package main\n")
        toml = '[sources.shop]\npath = "shop.py"\n[sources.made]\npath = "made.go"\n'
        (folder / "dragoman.toml").write_text(toml)

    def go_on(self) -> None:
        """Let the build end."""
        self._gate.write_text("go on\n")


@pytest.fixture
def compiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compiling:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return Compiling(tmp_path)


async def test_a_build_is_waited_for_however_little_patience_there_is(compiling: Compiling) -> None:
    async with hosting(compiling.folder) as host:
        starting = asyncio.ensure_future(host.start(SHORT_S))
        await soon(compiling.began.exists)
        await soon(lambda: "shop.f" in host.registry.entries)
        done, _ = await asyncio.wait((starting,), timeout=20 * SHORT_S)
        assert not done
        assert host.registry.sources["made"].building
        await asyncio.to_thread(compiling.go_on)
        assert await starting == {}
        assert not host.registry.sources["made"].building
        await soon(lambda: "made.f" in host.registry.entries)
        assert await ask(host, "made.f") == 7


async def test_a_build_that_fails_is_not_waited_for_any_longer(compiling: Compiling) -> None:
    toml = compiling.folder / "dragoman.toml"
    toml.write_text(toml.read_text() + 'build_timeout = "1s"\n')
    async with hosting(compiling.folder) as host:
        faults = await host.start(SHORT_S)
        assert "build_timeout of 1s" in faults["made"].detail
        assert await ask(host, "shop.f") == 7


def test_an_opened_project_has_what_was_built(compiling: Compiling) -> None:
    with subprocess.Popen(("sh", "-c", f"echo go on > {compiling.folder}/gate")) as opener:
        with dragoman.open(compiling.folder) as project:
            assert project.made.f() == 7
        assert opener.wait() == 0


@pytest.fixture
def served(compiling: Compiling) -> Iterator[subprocess.Popen[bytes]]:
    """A host as the libraries of other languages start it."""
    address = f"unix://{compiling.folder}/sock"
    arguments = ("serve", str(compiling.folder), "--native", address, "--no-http", "--json", "--exit-with-stdin")
    with subprocess.Popen(
        (sys.executable, "-m", "dragoman", *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0


def test_a_host_that_a_program_opened_takes_calls_once_all_is_built(
    compiling: Compiling, served: subprocess.Popen[bytes]
) -> None:
    assert served.stdout is not None
    until(compiling.began.exists)
    assert not select.select([served.stdout], [], [], START_S + 1)[0]
    with socket.socket(socket.AF_UNIX) as early:
        early.connect(str(compiling.folder / "sock"))
        assert not select.select([early], [], [], 0)[0]
        compiling.go_on()
        assert early.recv(HEADER_BYTES)[5] == Kind.HELLO
    (url,) = json.loads(served.stdout.readline())["native"]
    with dragoman.connect(url) as remote:
        assert remote.call("made.f") == 7
        assert remote.call("shop.f") == 7
