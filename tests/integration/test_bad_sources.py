"""Sources that cannot be served: each says why, and the host serves the others."""

from __future__ import annotations

import time

import pytest

import dragoman
from dragoman.core.fault import NotFound, StartFailed, Unavailable
from tests.integration.conftest import Write, hosted, soon, until

GOOD = "def ok() -> int: return 1\n"
BROKEN = {
    "syntax": ("def f(:\n", "bad.py:1: SyntaxError"),
    "missing import": ("import no_such_module_here\ndef f() -> int: return 1\n", "no_such_module_here"),
    "exit at import": ("import sys\ndef f() -> int: return 1\nsys.exit(3)\n", "called sys.exit(3)"),
    "hard exit": ("import os\nprint('bye', flush=True)\nos._exit(3)\n", "exit code 3"),
    "crash": ("import ctypes\nctypes.string_at(0)\n", "signal 11"),
    "raises": ("raise LookupError('no data')\n", "LookupError: no data"),
    "endless": ("print('here')\nwhile True: pass\n", "start_timeout of 1s"),
    "sleeps": ("import time\ntime.sleep(1e6)\n", "start_timeout of 1s"),
    "no contract": ("def f(x: complex) -> int: return 1\n", "complex"),
    "closes everything": ("import os\nos.closerange(0, 4096)\n", "bad"),
    "floods": ("import os\nwhile True: os.write(1, b'x' * 65536)\n", "start_timeout of 1s"),
    "recursion": ("def f(): return f()\nf()\n", "RecursionError"),
    "memory": ("x = bytearray(1 << 50)\n", "MemoryError"),
}
TOML = """
[defaults]
start_timeout = "1s"
[sources.good]
path = "good.py"
[sources.bad]
path = "bad.py"
"""


@pytest.mark.parametrize("case", list(BROKEN))
def test_a_broken_source_says_why_at_once_and_the_others_are_served(write: Write, case: str) -> None:
    source, why = BROKEN[case]
    with dragoman.open(write(dragoman__toml=TOML, good__py=GOOD, bad__py=source)) as project:
        assert project.good.ok() == 1
        begun = time.monotonic()
        with pytest.raises(Unavailable) as fault:
            project.bad.f()
        assert time.monotonic() - begun < 0.5
        assert why in fault.value.detail
        assert fault.value.retryable
        assert fault.value.function == "bad.f"
        assert project.good.ok() == 1


@pytest.mark.parametrize("case", ["syntax", "endless"])
def test_a_project_of_nothing_but_broken_sources_does_not_open(write: Write, case: str) -> None:
    toml = '[defaults]\nstart_timeout = "500ms"\n[sources.bad]\npath = "bad.py"'
    source, why = BROKEN[case]
    with (
        pytest.raises(StartFailed, match=why.replace("1s", "0.5s")),
        dragoman.open(write(dragoman__toml=toml, bad__py=source)),
    ):
        raise AssertionError


def test_a_source_that_is_mended_is_served_without_a_restart(write: Write) -> None:
    folder = write(dragoman__toml=TOML, good__py=GOOD, bad__py="raise RuntimeError('yet')\n")
    with dragoman.open(folder) as project:
        with pytest.raises(Unavailable, match="yet"):
            project.bad.f()
        (folder / "bad.py").write_text("def f() -> int: return 2\n")
        until(lambda: "bad.f" in project.functions)
        assert project.bad.f() == 2


async def test_a_slow_source_delays_nobody_and_says_that_it_is_starting(write: Write) -> None:
    toml = TOML.replace('"1s"', '"30s"')
    slow = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\ndef f() -> int: return 3\n"
    folder = write(dragoman__toml=toml, good__py=GOOD, bad__py=slow)
    async with hosted(folder, start=False) as host:
        assert await host.start(patience_s=0.1) == {}
        assert "good.ok" in host.registry.entries
        missing = host.registry.missing("bad.f")
        assert isinstance(missing, StartFailed)
        assert "still starting" in missing.detail
        assert missing.retryable
        assert missing.retry_after_s
        assert isinstance(host.registry.missing("good.nothing"), NotFound)
        assert host.ready() == (False, {"bad": "it is still starting"})
        (folder / "go").touch()
        await soon(lambda: "bad.f" in host.registry.entries)
        assert host.ready() == (True, {})
