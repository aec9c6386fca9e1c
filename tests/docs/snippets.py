"""Runs the fenced blocks of a page, in order, in one temporary folder, as a reader would.

The comment right before a block says what is done with it:

    <!-- file: stats.py -->     it is written to that file
    <!-- run -->                console: each `$ ` line is run and must succeed, and what follows it must be printed;
                                python: it is run as a script. In what is expected, `…` stands for any text
    <!-- fails -->              like `run`, but each command must fail
    <!-- serve: /health/live --> console: its one command is started and stays, once that path answers 200
    <!-- skip: reason -->       nothing; the reason stands for the reader of the source

Every console, python, sh and toml block needs one. The port 8700 is replaced by a free one, so that pages may be run
side by side; and a page that knows of redis://127.0.0.1:6379 has a server of its own, with nothing in it.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from dragoman.config.environment import build_environment
from tests.valkey import Server
from tools.pages import Fence, Page

CHECKED = {"console", "python", "sh", "bash", "toml"}
COMMAND_S_MAX = 400
"""The first build on a machine compiles what a tutorial depends on: two minutes where others work beside it."""
READY_S_MAX = 30
STOP_S_MAX = 15
PORT = "8700"
STORE = "redis://127.0.0.1:6379"
PORTS = range(20_000, 30_000)
"""Below those that systems hand out by themselves: a page may build for minutes before it serves, and a connection of
somebody else's must not have the port by then."""
PORTS_TRIED = 100


def compilers() -> dict[str, str]:
    """What lets tools do in a strange home what they do in ours: registries, toolchains, caches."""
    home = Path.home()
    caches = {
        "XDG_CACHE_HOME": home / ".cache",
        "CARGO_HOME": home / ".cargo",
        "RUSTUP_HOME": home / ".rustup",
        "GOPATH": home / "go",
        "npm_config_cache": home / ".npm",
    }
    return {name: str(folder) for name, folder in caches.items() if folder.is_dir()} | build_environment()


class SnippetFailed(AssertionError):  # noqa: N818 - named for the condition, as faults are
    """A block did not do what its page says."""


class Walkthrough:
    """One page, run from top to bottom in a folder. Use it as a context manager: it ends what it started."""

    def __init__(self, page: Page, folder: Path) -> None:
        self._page = page
        self._folder = folder
        self._servers: list[subprocess.Popen[bytes]] = []
        self._port = _free_port()
        self._store = Server() if any(STORE in fence.text for fence in page.fences) else None
        self._environment = {
            **compilers(),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.kill()
            server.wait(STOP_S_MAX)
        if self._store is not None:
            self._store.close()

    def run(self) -> int:
        """Do every block, then stop the servers as a user would. Gives the number of blocks done."""
        done = sum(self._do(fence) for fence in self._page.fences)
        while self._servers:
            self._stop(self._servers.pop())
        return done

    def _do(self, fence: Fence) -> bool:
        verb, _, detail = (part.strip() for part in fence.comment.partition(":"))
        if verb == "file":
            self._write(detail, fence.text)
        elif verb == "serve":
            self._serve(fence, detail)
        elif verb in ("run", "fails") and fence.language == "console":
            for command, expected in split_console(fence.text):
                self._command(fence, command, expected, fails=verb == "fails")
        elif verb == "run" and fence.language == "python":
            (self._folder / "snippet.py").write_text(self._ported(fence.text), encoding="utf-8")
            self._command(fence, f"{sys.executable} snippet.py", "", fails=False)
        elif verb != "skip" and fence.language in CHECKED:
            raise self._failed(fence, "this block says not how it is checked; see tests/docs/snippets.py")
        return verb in ("file", "serve", "run", "fails")

    def _write(self, place: str, text: str) -> None:
        path = self._folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._stored(text), encoding="utf-8")
        if text.startswith("#!"):
            path.chmod(0o755)

    def _command(self, fence: Fence, command: str, expected: str, *, fails: bool) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self._ported(command)],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S_MAX,
            check=False,
        )
        if (done.returncode != 0) is not fails:
            raise self._failed(fence, f"$ {command}\nended with {done.returncode}\n{done.stdout}{done.stderr}")
        if expected and not matches(self._ported(expected), done.stdout + (done.stderr if fails else "")):
            raise self._failed(fence, f"$ {command}\nprinted\n{done.stdout}{done.stderr}\nin place of\n{expected}")

    def _serve(self, fence: Fence, path: str) -> None:
        ((command, _),) = split_console(fence.text)
        log = self._folder / "serve.log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {self._ported(command)}"],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._servers.append(server)
        deadline = time.monotonic() + READY_S_MAX
        while not _answers(f"http://127.0.0.1:{self._port}{path}"):
            if server.poll() is not None or time.monotonic() > deadline:
                raise self._failed(fence, f"$ {command}\nnever answered\n{log.read_text(errors='replace')}")
            time.sleep(0.05)

    def _stop(self, server: subprocess.Popen[bytes]) -> None:
        server.send_signal(signal.SIGTERM)
        try:
            status = server.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
            raise SnippetFailed("the server did not stop on SIGTERM") from None
        if status:
            raise SnippetFailed(f"the server ended with {status}: {(self._folder / 'serve.log').read_text()[-2000:]}")

    def _ported(self, text: str) -> str:
        text = re.sub(r"\bdragoman serve\b", f"dragoman serve --port {self._port}", text)
        return self._stored(text.replace(f":{PORT}", f":{self._port}"))

    def _stored(self, text: str) -> str:
        return text if self._store is None else text.replace(STORE, self._store.url)

    def _failed(self, fence: Fence, why: str) -> SnippetFailed:
        return SnippetFailed(f"{self._page.path.name}:{fence.line}: {why}")


def split_console(text: str) -> list[tuple[str, str]]:
    """Split a console block into commands (a trailing backslash goes on) and what each prints."""
    pairs: list[tuple[str, str]] = []
    command, expected, open_ended = "", "", False
    for line in text.splitlines():
        if open_ended or line.startswith("$ "):
            if not open_ended:
                pairs.append((command, expected))
                command, expected = "", ""
            command += ("\n" if open_ended else "") + (line if open_ended else line.removeprefix("$ "))
            open_ended = line.endswith("\\")
        else:
            expected += line + "\n"
    return [*pairs[1:], (command, expected)]


def matches(expected: str, printed: str) -> bool:
    """True where the text was printed; `…` stands for any text, and a last `…` line for any more lines."""
    pattern = ".*?".join(re.escape(part) for part in expected.strip().split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _free_port() -> int:
    for port in random.sample(PORTS, PORTS_TRIED):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    message = f"{PORTS_TRIED} ports from {PORTS.start} on are taken"
    raise OSError(message)
