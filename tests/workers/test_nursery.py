"""Pools whose workers are forked: who forks them, and what becomes of zygotes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dragoman.core.fault import StartFailed
from dragoman.sandbox.confinement import Launch
from dragoman.workers.nursery import Nursery
from dragoman.workers.runtimes import python
from dragoman.workers.supervisor import Supervisor
from tests.integration.conftest import soon
from tests.workers.conftest import Staff

SOURCE = "import os\n\ndef parent() -> int:\n    return os.getppid()\n"
MakeStaff = Callable[..., Staff]


def forked(staff: Staff) -> Nursery:
    """Give a staff that is not started yet a zygote."""

    async def zygote() -> Launch:
        return python.zygote(await staff.launch.launch(), (), fork_safe=False)

    staff.supervisor = Supervisor(staff.pool, replace(staff.launch, zygote=zygote), staff.confinement)
    assert staff.supervisor.nursery is not None
    return staff.supervisor.nursery


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def pid_of(nursery: Nursery) -> int:
    assert nursery.zygote is not None
    return nursery.zygote.pid


def forked_now(nursery: Nursery) -> set[int]:
    assert nursery.zygote is not None
    return {child.pid for child in nursery.zygote.forking.children.values()}


async def test_every_single_use_worker_is_a_fork_of_one_zygote(staff: MakeStaff) -> None:
    made = staff(SOURCE, single_use=True, workers_min=3, workers_max=4)
    nursery = forked(made)
    contracts = await made.supervisor.start()
    assert [contract.name for contract in contracts] == ["parent"]
    await soon(lambda: len(made.pool.workers) == 3)
    assert made.pids == forked_now(nursery)


async def test_a_zygote_is_raised_once_for_all_that_wait_for_it(staff: MakeStaff) -> None:
    made = staff(SOURCE, single_use=True)
    nursery = forked(made)
    hired = await asyncio.gather(*(nursery.hire() for _ in range(4)))
    assert {one.process.pid for one in hired} == forked_now(nursery)
    for one in hired:
        one.worker.condemn("it was a test")
        await one.process.wait()
        one.close()
    await nursery.aclose()


async def test_whoever_gives_up_waiting_does_not_end_it_for_the_others(staff: MakeStaff) -> None:
    made = staff(SOURCE, single_use=True)
    nursery = forked(made)
    impatient, patient = (asyncio.ensure_future(nursery.hire()) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    one = await patient
    one.worker.condemn("it was a test")
    await one.process.wait()
    one.close()
    await nursery.aclose()


async def test_a_killed_zygote_is_followed_by_another(staff: MakeStaff) -> None:
    made = staff(SOURCE, single_use=True)
    nursery = forked(made)
    await made.supervisor.start()
    first = pid_of(nursery)
    os.kill(first, signal.SIGKILL)
    await soon(lambda: nursery.ready and pid_of(nursery) != first and made.pool.workers)
    assert made.pids == forked_now(nursery)
    assert "the zygote ended: signal 9" in made.journal.messages("warning")


async def test_a_source_that_cannot_be_loaded_is_a_failed_start(staff: MakeStaff) -> None:
    made = staff("import no_such_module\n", single_use=True)
    nursery = forked(made)
    with pytest.raises(StartFailed, match="no_such_module"):
        await made.supervisor.start()
    assert not nursery.ready


async def test_a_zygote_that_has_forked_enough_is_replaced_and_what_it_has_ready_with_it(staff: MakeStaff) -> None:
    made = staff(SOURCE, single_use=True, workers_min=2, workers_max=4, recycle_calls=2)
    nursery = forked(made)
    await made.supervisor.start()
    first = pid_of(nursery)
    await soon(lambda: nursery.ready and pid_of(nursery) != first and len(made.pool.workers) == 2)
    await soon(lambda: not alive(first))
    assert made.pids <= forked_now(nursery)
    assert "zygote replaced: it has forked 2 workers" in made.journal.messages("info")


async def test_a_zygote_without_a_successor_goes_on(staff: MakeStaff) -> None:
    made = staff(SOURCE, single_use=True, recycle_calls=1)
    nursery = forked(made)
    await made.supervisor.start()
    first = pid_of(nursery)
    made.write("import no_such_module\n")
    await soon(lambda: made.journal.messages("error"))
    assert pid_of(nursery) == first
    assert nursery.ready
    assert "the zygote should be replaced" in made.journal.messages("error")[0]


async def test_stopping_ends_every_zygote_and_all_below(staff: MakeStaff) -> None:
    made = staff(SOURCE, single_use=True, workers_min=2, workers_max=4)
    nursery = forked(made)
    await made.supervisor.start()
    pids = {pid_of(nursery), *forked_now(nursery)}
    await made.supervisor.stop(0)
    assert not any(alive(pid) for pid in pids)


@pytest.mark.parametrize("spent_s", ["0.3", "0.0"], ids=["slow", "quick"])
async def test_a_pool_that_may_grow_has_a_zygote_where_its_source_is_slow(staff: MakeStaff, spent_s: str) -> None:
    source = f"import time\nend = time.process_time() + {spent_s}\nwhile time.process_time() < end: pass\n{SOURCE}"
    made = staff(source, workers_min=1, workers_max=2)
    nursery = forked(made)
    await made.supervisor.start()
    if spent_s == "0.0":
        assert nursery.zygote is None
        return
    await soon(lambda: nursery.ready)
    for worker in list(made.pool.workers):
        made.supervisor.let_go(worker, "it was a test")
    await soon(lambda: made.pool.workers)
    assert made.pids == forked_now(nursery)


async def test_a_pool_that_cannot_grow_has_none(staff: MakeStaff) -> None:
    made = staff(f"sum(range(30_000_000))\n{SOURCE}", workers_min=1, workers_max=1)
    nursery = forked(made)
    await made.supervisor.start()
    assert nursery.zygote is None
