"""One zygote, from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dragoman.core.fault import StartFailed
from dragoman.sandbox.confinement import Launch
from dragoman.workers.runtimes import python
from dragoman.workers.zygote import Zygote
from tests.workers.conftest import Staff

SOURCE = "import os\n\ndef parent() -> int:\n    return os.getppid()\n"
MakeStaff = Callable[..., Staff]


async def raised(staff: Staff) -> tuple[Zygote, asyncio.Task[None]]:
    """A zygote of the staff's source, and the task that waits for its end."""

    async def launch() -> Launch:
        return python.zygote(await staff.launch.launch(), (), fork_safe=False)

    zygote = Zygote(staff.pool, replace(staff.launch, zygote=launch))
    await zygote.start(staff.confinement)
    return zygote, asyncio.ensure_future(zygote.watch())


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_its_children_offer_what_it_offers(staff: MakeStaff) -> None:
    zygote, watching = await raised(staff(SOURCE))
    hired = await zygote.fork()
    assert hired.contracts == zygote.hired.contracts
    assert [contract.name for contract in hired.contracts] == ["parent"]
    assert zygote.resident_bytes() > 1024 * 1024
    assert zygote.age_s > 0.0
    zygote.kill("it was a test")
    await watching
    await hired.process.wait()
    hired.worker.end()
    hired.close()
    assert zygote.resident_bytes() == 0


async def test_one_for_which_there_is_no_descriptor_left_is_a_failed_start(staff: MakeStaff) -> None:
    made = staff(SOURCE)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 1, before[1]))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        with pytest.raises(StartFailed, match=r"cannot be started: .*Too many open files"):
            await raised(made)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for fd in held:
            os.close(fd)


async def test_one_without_children_leaves_by_itself(staff: MakeStaff) -> None:
    zygote, watching = await raised(staff(SOURCE))
    assert zygote.usable
    zygote.retire()
    assert not zygote.usable
    zygote.dismiss()
    await watching
    assert zygote.gone
    assert (await zygote.hired.process.wait()).status == 0


async def test_one_that_will_not_leave_is_killed(staff: MakeStaff) -> None:
    zygote, watching = await raised(staff(f"import atexit, time\natexit.register(time.sleep, 60)\n{SOURCE}"))
    zygote.dismiss()
    await watching
    assert (await zygote.hired.process.wait()).status == -signal.SIGKILL


async def test_a_fork_of_one_that_is_gone_is_a_failed_start(staff: MakeStaff) -> None:
    zygote, watching = await raised(staff(SOURCE))
    before = open_files()
    zygote.kill("it was a test")
    with pytest.raises(StartFailed):
        await zygote.fork()
    await watching
    assert not zygote.usable
    assert open_files() < before


async def test_a_start_that_fails_leaves_nothing(staff: MakeStaff) -> None:
    made = staff("1/0\n")
    before = open_files()
    with pytest.raises(StartFailed, match="ZeroDivisionError"):
        await raised(made)
    assert open_files() <= before + 1  # the line to the spawner


async def test_what_it_prints_is_log_of_no_call(staff: MakeStaff) -> None:
    made = staff(f"print('importing')\n{SOURCE}")
    zygote, watching = await raised(made)
    assert made.journal.lines("") == ["importing"]
    zygote.kill("it was a test")
    await watching
