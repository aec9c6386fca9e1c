import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dragoman.core.fault import StartFailed
from dragoman.sandbox.confinement import Launch
from dragoman.workers.hire import Offer, hire
from dragoman.workers.lifecycle import State
from dragoman.workers.source import at_once
from tests.workers.conftest import Staff
from tests.workers.peer import answer_of, make_call, until

Make = Callable[..., Staff]


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def start(staff: Staff) -> str:
    """Why a start failed; everything of it must be gone."""
    with pytest.raises(StartFailed) as fault:
        await hire(staff.pool, staff.launch, staff.confinement)
    return fault.value.detail


async def test_a_worker_that_is_ready_says_what_it_offers(staff: Make) -> None:
    here = staff("def add(a: int, b: int) -> int: return a + b")
    hired = await hire(here.pool, here.launch, here.confinement)
    assert [contract.name for contract in hired.contracts] == ["add"]
    assert set(hired.ready.features) == {"checks", "progress", "revoke", "segments"}
    assert hired.worker.state is State.STARTING
    hired.worker.condemn("enough")
    await hired.process.wait()
    hired.close()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("def broken(:", "SyntaxError"),
        ("import no_such_module_anywhere", "no_such_module_anywhere"),
        ("import sys\nsys.exit(3)", "sys.exit(3)"),
        (
            "import os\nos.write(2, b'tail of stderr')\nos._exit(4)",
            "exit code 4 before it could take calls; it printed",
        ),
        ("import os\nprint('the last line')\nos._exit(5)", "it printed last: the last line"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "ended with signal 11"),
        ("x = 1", "offers no functions"),
        ("raise RuntimeError('at import')", "at import"),
    ],
)
async def test_a_source_that_cannot_start_says_why_and_leaves_nothing(staff: Make, source: str, why: str) -> None:
    here = staff(source)
    await start(staff("raise RuntimeError"))
    before = descriptors()
    assert why in await start(here)
    await until(lambda: descriptors() == before)


async def test_an_endless_import_ends_at_the_start_timeout(staff: Make) -> None:
    here = staff("print('almost there')\nwhile True: pass", start_timeout_s=0.4)
    detail = await start(here)
    assert "was not ready within its start_timeout of 0.4s" in detail
    assert "almost there" in detail


async def test_a_program_that_is_not_there_is_named(staff: Make, tmp_path: Path) -> None:
    here = staff("")
    here.launch = replace(here.launch, launch=at_once(Launch(argv=(str(tmp_path / "nowhere"),), env={})))
    before = descriptors()
    assert "nowhere" in await start(here)
    assert descriptors() == before


async def test_a_program_that_is_no_guest_is_told_by_its_output(staff: Make) -> None:
    here = staff("")
    here.launch = replace(
        here.launch, launch=at_once(Launch(argv=("/bin/sh", "-c", "echo usage: me >&2; exit 64"), env={}))
    )
    assert "exit code 64 before it could take calls; it printed last: usage: me" in await start(here)


async def test_a_start_that_is_given_up_leaves_nothing(staff: Make) -> None:
    here = staff("while True: pass")
    await start(staff("raise RuntimeError"))
    before = descriptors()
    task = asyncio.ensure_future(hire(here.pool, here.launch, here.confinement))
    await until(lambda: descriptors() > before)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: descriptors() == before)


async def test_what_c_code_prints_is_logged_as_its_calls(staff: Make) -> None:
    here = staff("import os\ndef shout() -> int: return os.write(1, b'from below\\n')")
    await here.supervisor.start()
    assert await answer_of(here.pool(make_call("shout"))) == b"11"
    await until(lambda: "from below" in here.journal.lines())


async def test_what_was_offered_before_is_not_read_again(staff: Make) -> None:
    here = staff("def double(n: int) -> int: return 2 * n")
    first = await hire(here.pool, here.launch, here.confinement)
    offer = Offer(first.ready.functions, first.contracts)
    second = await hire(here.pool, here.launch, here.confinement, known=offer)
    assert second.contracts is first.contracts
    third = await hire(here.pool, here.launch, here.confinement, known=Offer((), first.contracts))
    assert third.contracts == first.contracts
    assert third.contracts is not first.contracts
    for hired in (first, second, third):
        hired.worker.condemn("the test is over")
        await hired.process.wait()
        hired.close()
