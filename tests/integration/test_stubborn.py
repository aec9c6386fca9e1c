"""Work that does not want to end when its time is up."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

import dragoman
from dragoman.core.fault import Cancelled, DeadlineExceeded, Started
from dragoman.host.blocking import BlockingProject
from tests.integration.conftest import Write, marked, soon, until

ANSWERED_S = 1.1
"""A call with a timeout of one second has its answer by then, whatever it does."""


def timed_out(project: BlockingProject, function: str, value: dict[str, object] | None = None) -> float:
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded) as fault:
        project.call(function, value, timeout=1.0)
    took_s = time.monotonic() - begun
    assert fault.value.started is Started.YES
    # Whoever answers first, the host or the worker: it is named, by the worker without its source.
    assert function.rpartition(".")[2] in fault.value.detail
    return took_s


def executable(folder: Path, *command: str) -> Path:
    parts = ", ".join(f'"{part}"' for part in command)
    (folder / "dragoman.toml").write_text(f"[sources.tool]\ncommand = [{parts}]\nstdout = 'text'\n")
    return folder


@pytest.mark.parametrize(
    "script",
    [
        "sleep {mark} & wait",
        "trap '' TERM INT HUP; sleep {mark} & sleep {mark}; sleep {mark}",
        "setsid sleep {mark} & setsid sh -c 'trap \"\" TERM; sleep {mark}; sleep {mark}' & wait",
        "sleep {mark} & kill -STOP $$",
        "(sleep {mark} &) ; sleep {mark} >/dev/null 2>&1 <&- & exec sleep {mark}",
    ],
    ids=["wait", "ignores-term", "new-sessions", "stops-itself", "orphans"],
)
def test_an_executable_past_its_time_leaves_no_process(tmp_path: Path, script: str, mark: str) -> None:
    text = script.replace("{mark}", mark).replace('"', '\\"')
    with dragoman.open(executable(tmp_path, "sh", "-c", text)) as project:
        for _ in range(2):
            assert timed_out(project, "tool", {}) < ANSWERED_S
            until(lambda: not marked(mark), 1.0)


STUBBORN = """
import os, signal, subprocess, time

MARK = os.environ["MARK"]

def ignore_everything() -> None:
    for number in range(1, 32):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

def stop_itself() -> None:
    subprocess.Popen(["sleep", MARK])
    os.kill(os.getpid(), signal.SIGSTOP)

def wait_for_a_child() -> None:
    subprocess.run(["sh", "-c", f"trap '' TERM; sleep {MARK} & wait; sleep {MARK}"])

def spin() -> None:
    while True:
        pass

def hold_the_interpreter() -> None:
    import re
    re.match(r"(a+)+$", "a" * 60 + "b")

def ok() -> int:
    return 1
"""


@pytest.mark.parametrize(
    "function", ["ignore_everything", "stop_itself", "wait_for_a_child", "spin", "hold_the_interpreter"]
)
def test_a_function_past_its_time_is_stopped_and_its_children_with_it(write: Write, function: str, mark: str) -> None:
    toml = f'[sources.work]\npath = "work.py"\nworkers = 1\nenv = {{ MARK = "{mark}" }}'
    with dragoman.open(write(dragoman__toml=toml, work__py=STUBBORN)) as project:
        assert timed_out(project, f"work.{function}") < ANSWERED_S
        assert project.work.ok() == 1
        if function != "wait_for_a_child":
            until(lambda: not marked(mark), 1.0)


def test_a_child_that_outlives_its_cancelled_call_ends_with_the_host(write: Write, mark: str) -> None:
    toml = f'[sources.work]\npath = "work.py"\nenv = {{ MARK = "{mark}" }}'
    with dragoman.open(write(dragoman__toml=toml, work__py=STUBBORN)) as project:
        timed_out(project, "work.wait_for_a_child")
    assert not marked(mark)


def test_a_short_timeout_is_kept_to_the_millisecond(write: Write) -> None:
    source = "import time\ndef nap(s: float) -> float:\n    time.sleep(s)\n    return s\n"
    with dragoman.open(write(work__py=source) / "work.py") as project:
        project.work.nap(s=0.0)
        took: list[float] = []
        for timeout_s in (0.3, 0.3, 0.3, 0.05, 0.02, 0.005):
            begun = time.monotonic()
            with pytest.raises(DeadlineExceeded):
                project.call("work.nap", {"s": 30.0}, timeout=timeout_s)
            took.append(time.monotonic() - begun - timeout_s)
            project.work.nap(s=0.0)
        assert min(took) >= 0.0
        assert sorted(took)[len(took) // 2] < 0.02


async def test_a_caller_that_leaves_gives_its_worker_back(write: Write, mark: str) -> None:
    toml = f'[sources.work]\npath = "work.py"\nworkers = 1\nenv = {{ MARK = "{mark}" }}'
    async with dragoman.open(write(dragoman__toml=toml, work__py=STUBBORN)) as project:
        running = asyncio.ensure_future(project.work.stop_itself())
        await soon(lambda: marked(mark))
        running.cancel()
        with pytest.raises((asyncio.CancelledError, Cancelled)):
            await running
        assert await project.call("work.ok", timeout=5.0) == 1
        await soon(lambda: not marked(mark), 1.0)
