import asyncio
import os
import signal
from collections.abc import Callable
from functools import partial

import pytest

from dragoman.core.call import Call
from dragoman.core.fault import Draining, Started, StartFailed, WorkerLost
from dragoman.workers.lifecycle import State
from tests.workers.conftest import Staff
from tests.workers.peer import answer_of, make_call, until

Make = Callable[..., Staff]

PLAIN = """
import os, time

def pid() -> int: return os.getpid()
def nap(s: float) -> int:
    time.sleep(s)
    return os.getpid()
def leave() -> None: os._exit(7)
"""
PID, NAP, LEAVE = 0, 1, 2


def nap(seconds: float) -> bytes:
    return b'{"s": %g}' % seconds


async def test_the_first_workers_start_and_say_what_they_offer(staff: Make) -> None:
    here = staff(PLAIN, workers_min=2, workers_max=2)
    contracts = await here.supervisor.start()
    assert [contract.name for contract in contracts] == ["pid", "nap", "leave"]
    await until(lambda: len(here.pids) == 2)
    assert here.supervisor.states() == {"starting": 0, "ready": 2, "draining": 0}


async def test_a_dead_worker_is_replaced_at_once_and_never_by_more_than_allowed(staff: Make) -> None:
    here = staff(PLAIN, workers_min=2, workers_max=2)
    await here.supervisor.start()
    await until(lambda: len(here.pids) == 2)
    before = here.pids
    call = make_call("nap", nap(30), index=NAP)
    pending = here.pool(call)
    await begun(here, call)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert here.supervisor.crew_size <= 2
    assert isinstance(await answer_of(pending), WorkerLost)
    await until(partial(are_new, here, before))
    assert here.supervisor.restarts == 2
    assert not here.journal.messages("error")


def are_new(here: Staff, before: set[int]) -> bool:
    return len(here.pids) == 2 and not here.pids & before


async def begun(here: Staff, call: Call) -> None:
    """Wait until the function of a call has been entered."""
    await until(lambda: any(worker.has_begun(call.id) for worker in here.pool.workers))


async def test_a_source_that_fails_is_tried_again_and_its_callers_hear_why(staff: Make) -> None:
    here = staff("raise RuntimeError('not yet')")
    told: list[int] = []
    with pytest.raises(StartFailed, match="not yet"):
        await here.supervisor.start()
    here.supervisor.on_first_ready = lambda contracts: told.append(len(contracts))
    refused = here.pool(make_call("pid"))
    assert isinstance(refused.fault, StartFailed)
    assert refused.fault.retry_after_s
    await until(lambda: here.supervisor.starts >= 3)
    here.write(PLAIN)
    await until(lambda: told)
    assert await answer_of(here.pool(make_call("pid"))) == str(next(iter(here.pids))).encode()


async def test_a_source_that_fails_for_ever_costs_one_timer(staff: Make) -> None:
    here = staff("raise RuntimeError('never')", workers_min=3, workers_max=4)
    with pytest.raises(StartFailed):
        await here.supervisor.start()
    await until(lambda: here.supervisor.starts >= 6)
    assert here.supervisor.starting <= 1
    assert len(asyncio.all_tasks()) <= 8
    assert here.supervisor.restarts == 0
    await here.supervisor.stop(0)
    starts = here.supervisor.starts
    assert here.supervisor.starting == 0
    assert here.supervisor.starts == starts


async def test_workers_that_end_right_after_their_start_are_a_source_that_cannot_start(staff: Make) -> None:
    source = """
    import os, threading, time
    def leave() -> None:
        while not os.path.exists(f"{__file__}.{os.getpid()}"):
            time.sleep(0.002)
        os._exit(9)
    threading.Thread(target=leave, daemon=True).start()
    def f() -> int: return 1
    """
    here = staff(source)
    await here.supervisor.start()

    def all_left() -> bool:
        for pid in here.pids:
            here.path.with_name(f"{here.path.name}.{pid}").touch()
        return here.supervisor.last_fault is not None

    await until(all_left)
    assert "exit code 9 right after its start" in here.journal.messages("error")[0]


async def test_workers_that_crash_in_every_call_are_replaced_with_pauses(staff: Make) -> None:
    here = staff(PLAIN)
    await here.supervisor.start()
    loop = asyncio.get_running_loop()
    for crash in range(3):
        begun = loop.time()
        fault = await answer_of(here.pool(make_call("leave", index=LEAVE)))
        assert isinstance(fault, WorkerLost)
        assert "exit code 7" in fault.detail
        await until(lambda: here.pids)
        assert crash < 2 or loop.time() - begun >= 0.2


async def test_a_pool_grows_under_load_and_shrinks_when_idle(staff: Make) -> None:
    source = """
    import os, time

    def hold() -> int:
        while not os.path.exists(f"{__file__}.done"):
            time.sleep(0.002)
        return os.getpid()
    """
    here = staff(source, workers_max=3, idle_s=0.2)
    await here.supervisor.start()
    calls = [here.pool(make_call("hold")) for _ in range(9)]
    await until(lambda: len(here.pids) == 3 and all(worker.in_flight for worker in here.pool.workers))
    here.path.with_name(f"{here.path.name}.done").touch()
    pids = {await answer_of(call) for call in calls}
    assert len(pids) == 3
    assert here.supervisor.starts == 3
    await until(lambda: len(here.pids) == 1)
    assert here.supervisor.restarts == 0
    assert not here.journal.messages("error")


async def test_a_failed_growth_leaves_those_that_work_in_service(staff: Make) -> None:
    here = staff(PLAIN, workers_max=2)
    await here.supervisor.start()
    here.write("raise RuntimeError('half edited')")
    calls = [here.pool(make_call("nap", nap(0.1), index=NAP)) for _ in range(5)]
    answers = {await answer_of(call) for call in calls}
    assert answers == {str(pid).encode() for pid in here.pids}
    await until(lambda: any("half edited" in message for message in here.journal.messages("error")))


async def test_a_worker_of_a_changed_source_is_called_by_name(staff: Make) -> None:
    here = staff(PLAIN)
    await here.supervisor.start()
    here.write("def other() -> int: return 0\n" + PLAIN)
    before = here.pids
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await until(lambda: here.pids - before)
    assert await answer_of(here.pool(make_call("pid", index=PID))) == str(next(iter(here.pids))).encode()
    assert any("changed on disk" in message for message in here.journal.messages("warning"))


async def test_a_worker_is_recycled_by_calls_and_no_call_is_lost(staff: Make) -> None:
    here = staff(PLAIN, recycle_calls=5)
    await here.supervisor.start()
    pids = [await answer_of(here.pool(make_call("pid"))) for _ in range(17)]
    assert all(isinstance(pid, bytes) for pid in pids)
    assert max(pids.count(pid) for pid in pids) == 5
    assert not here.journal.messages("error")


async def test_a_worker_is_renewed_by_age_only_once_its_successor_is_ready(staff: Make) -> None:
    here = staff(PLAIN, recycle_age_s=0.5)
    await here.supervisor.start()
    first = here.pids
    served: set[bytes] = set()
    while here.pids == first or len(here.pids) != 1:
        served.add(await answer_of(here.pool(make_call("pid"))))
        assert here.pids
    assert all(isinstance(pid, bytes) for pid in served)
    assert any("s old" in message for message in here.journal.messages("info"))


async def test_an_old_worker_stays_where_its_successor_cannot_start(staff: Make) -> None:
    here = staff(PLAIN, recycle_age_s=0.2)
    await here.supervisor.start()
    first = here.pids
    here.write("raise RuntimeError('broken')")
    await until(lambda: here.journal.messages("error"))
    assert here.pids == first
    assert isinstance(await answer_of(here.pool(make_call("pid"))), bytes)


async def test_a_fat_worker_is_renewed(staff: Make) -> None:
    here = staff(PLAIN + "hoard = bytearray(80 << 20)\n", recycle_memory_bytes=60 << 20)
    await here.supervisor.start()
    await until(lambda: any("MB" in message for message in here.journal.messages("info")))


async def test_stopping_lets_calls_finish(staff: Make) -> None:
    here = staff(PLAIN)
    await here.supervisor.start()
    running, waiting = (here.pool(make_call("nap", nap(0.2), index=NAP)) for _ in range(2))
    await here.supervisor.stop(5.0)
    assert isinstance(await answer_of(running), bytes)
    assert isinstance(await answer_of(waiting), bytes)
    assert isinstance(here.pool(make_call("pid")).fault, Draining)
    assert not here.supervisor.states()["ready"]


async def test_stopping_is_bounded_where_a_worker_ignores_everything(staff: Make) -> None:
    source = """
    import signal, time
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    def wedge() -> None:
        while True:
            try:
                time.sleep(1)
            except BaseException:
                pass
    """
    here = staff(source)
    await here.supervisor.start()
    call = make_call("wedge")
    running, waiting = here.pool(call), here.pool(make_call("wedge"))
    await begun(here, call)
    stopped_at = asyncio.get_running_loop().time()
    await here.supervisor.stop(0.1)
    assert asyncio.get_running_loop().time() - stopped_at < 3.0
    assert isinstance(await answer_of(waiting), Draining)
    fault = await answer_of(running)
    assert (type(fault), fault.started) == (WorkerLost, Started.YES)


async def test_stopping_in_the_middle_of_a_start_ends_it(staff: Make) -> None:
    here = staff("while True: pass", start_timeout_s=60.0)
    starting = asyncio.ensure_future(here.supervisor.start())
    await until(lambda: here.supervisor.starting)
    await here.supervisor.stop(0)
    with pytest.raises(Draining):
        await starting
    assert here.supervisor.states() == {"starting": 0, "ready": 0, "draining": 0}


async def test_a_lent_worker_is_given_back_before_the_end(staff: Make) -> None:
    here = staff(PLAIN)
    await here.supervisor.start()
    lease = here.pool.lend()
    assert lease is not None
    assert lease.worker is not None
    worker = lease.worker
    call = make_call("nap", nap(30), index=NAP)
    busy = asyncio.create_task(asyncio.to_thread(lease.call, call))
    await until(lambda: worker.progress.last_started() == call.id)
    await here.supervisor.stop(0.1)
    pending = await busy
    assert pending is not None
    assert isinstance(pending.fault, WorkerLost)
    assert "stopping" in pending.fault.detail
    assert worker.state is State.GONE


async def test_a_lent_worker_that_dies_unused_is_replaced(staff: Make) -> None:
    here = staff(PLAIN)
    await here.supervisor.start()
    lease = here.pool.lend()
    assert lease is not None
    assert lease.worker is not None
    os.kill(lease.worker.pid, signal.SIGKILL)
    await until(lambda: here.pids)


async def test_a_worker_that_is_let_go_and_does_not_finish_is_ended(staff: Make) -> None:
    here = staff(PLAIN, drain_timeout_s=0.2)
    await here.supervisor.start()
    call = make_call("nap", nap(30), index=NAP)
    pending = here.pool(call)
    (worker,) = here.pool.workers
    await begun(here, call)
    here.supervisor.let_go(worker, "told to")
    here.supervisor.let_go(worker, "told again")
    fault = await answer_of(pending)
    assert "0.2s to finish" in fault.detail
    assert here.journal.messages("info") == ["worker retired: told to"]
    await until(lambda: here.pids)
