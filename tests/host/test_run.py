import asyncio
import os
import pty
import select
import signal
import sys
import urllib.request
from pathlib import Path

import pytest

from dragoman.config.load import load
from dragoman.core.fault import Fault
from dragoman.host.assemble import launch_confinement, parts
from dragoman.host.difference import Difference
from dragoman.host.journal import SilentJournal
from dragoman.host.run import run, serve
from dragoman.host.serving import Ingresses, Serving
from dragoman.ingress.http.options import HttpOptions
from dragoman.telemetry.log import Log, LogOptions


class Listener:
    """Sends the signal as soon as the server is ready, as an impatient operator would."""

    def __init__(self) -> None:
        self.functions: list[str] = []
        self.status = 0

    def ready(self, serving: Serving) -> None:
        self.functions = sorted(serving.host.registry.entries)
        self._asking = asyncio.ensure_future(self._ask(serving.url or ""))

    async def _ask(self, url: str) -> None:
        def ask() -> int:
            with urllib.request.urlopen(f"{url}/health/ready", timeout=10) as answer:
                return answer.status

        self.status = await asyncio.to_thread(ask)
        os.kill(os.getpid(), signal.SIGTERM)

    def reloaded(self, serving: Serving, source: str, fault: Fault | None) -> None: ...

    def applied(self, file: Path, told: Difference) -> None: ...

    def refused(self, file: Path | None, wrong: str) -> None: ...

    def unwatched(self, error: OSError) -> None: ...


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "s.py"
    path.write_text("def f(a: int) -> int:\n    return a\n")
    return path


@pytest.mark.parametrize("watching", [False, True])
def test_a_host_serves_from_its_first_source_to_a_signal(source: Path, *, watching: bool) -> None:
    listener = Listener()
    confinement = launch_confinement()
    made = parts(load([source]), lambda _: SilentJournal(), confinement)
    log = Log(LogOptions(level="error"))
    run(serve(made, Ingresses(HttpOptions(port=0)), log, listener, watching=watching))
    log.close()
    assert (listener.functions, listener.status) == (["s.f"], 200)
    assert confinement.spawner_pid == 0, "nothing is left"


def test_a_host_that_cannot_listen_ends_what_it_has_started(source: Path) -> None:
    confinement = launch_confinement()
    made = parts(load([source]), lambda _: SilentJournal(), confinement)
    with pytest.raises(OSError, match=r"cannot listen on 256\.0\.0\.1"):
        run(serve(made, Ingresses(HttpOptions(host="256.0.0.1", port=0)), Log(), Listener()))
    assert confinement.spawner_pid == 0


def test_work_is_run_to_its_end() -> None:
    async def work() -> int:
        return 7

    assert run(work()) == 7


@pytest.mark.parametrize("outlives", [False, True])
def test_a_host_whose_terminal_hangs_up_ends_unless_it_is_to_outlive_it(source: Path, *, outlives: bool) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        if outlives:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.execv(sys.executable, [sys.executable, "-m", "dragoman", "serve", str(source), "--port", "0"])
    said = b""
    while b"Serving" not in said:
        said += os.read(terminal, 4096)
    os.kill(pid, signal.SIGHUP)
    while b"not applied" not in said:  # with its terminal there, the signal means the project file
        said += os.read(terminal, 4096)
    os.close(terminal)
    if outlives:
        with pytest.raises(ChildProcessError, match="still"):
            ended(pid, 1.0)
        os.kill(pid, signal.SIGTERM)
    assert ended(pid, 30.0) == 0


def ended(pid: int, within_s: float) -> int:
    """How a child ended. Raises `ChildProcessError` where it has not."""
    watched = os.pidfd_open(pid)
    try:
        if not select.select([watched], [], [], within_s)[0]:
            raise ChildProcessError("it is still there")
    finally:
        os.close(watched)
    return os.waitpid(pid, 0)[1]
