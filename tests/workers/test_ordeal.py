import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.core.fault import DeadlineExceeded
from dragoman.core.ordeal import Ordeal, Trouble
from dragoman.wire.fault import ProtocolFault
from dragoman.workers.lifecycle import State
from dragoman.workers.ordeal import strike
from tests.workers.peer import Shop, make_call, until, wait


@pytest.fixture
async def shop() -> AsyncGenerator[Shop]:
    made = Shop(concurrency=2)
    yield made
    made.close()


async def test_a_worker_is_killed_when_it_has_been_sent_the_call(shop: Shop) -> None:
    peer = await shop.hire()
    call = make_call()
    call.ordeal = Ordeal(Trouble.KILL)
    shop.pool(call)
    assert (await peer.call()).call == call.id
    await until(lambda: peer.child.killed)
    assert call.ordeal is None


async def test_a_call_that_goes_to_another_worker_does_not_kill_that_one_too(shop: Shop) -> None:
    first = await shop.hire()
    call = make_call()
    call.ordeal = Ordeal(Trouble.KILL)
    pending = shop.pool(call)
    await until(lambda: first.child.killed)
    second = await shop.hire()
    first.hang_up()
    second.answer(await second.call())
    await wait(pending)
    assert not second.child.killed


async def test_a_dropped_frame_never_comes_and_the_next_one_does(shop: Shop) -> None:
    peer = await shop.hire()
    lost, other = make_call(timeout_s=0.1), make_call()
    lost.ordeal = Ordeal(Trouble.DROP)
    pending = shop.pool(lost)
    shop.pool(other)
    assert (await peer.call()).call == other.id
    with pytest.raises(DeadlineExceeded):
        await wait(pending)


async def test_a_spoilt_frame_is_one_that_no_worker_reads(shop: Shop) -> None:
    peer = await shop.hire()
    call = make_call()
    call.ordeal = Ordeal(Trouble.CORRUPT)
    shop.pool(call)
    with pytest.raises(ProtocolFault):
        await peer.call()


async def test_memory_and_processors_are_the_supervisors_to_take(shop: Shop) -> None:
    peer = await shop.hire()
    call = make_call()
    call.ordeal = ordeal = Ordeal(Trouble.MEMORY, 2.0)
    pending = shop.pool(call)
    peer.answer(await peer.call())
    await wait(pending)
    assert shop.crew.ordeals == [ordeal]


class Stoppable:
    """A worker that is a process of the test's own, with one call."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.state = State.READY
        self.in_flight = {7: None}


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


async def test_a_worker_is_stopped_only_while_it_has_the_call(sleeper: subprocess.Popen[bytes]) -> None:
    worker: Any = Stoppable(sleeper)
    strike(worker, 8, Ordeal(Trouble.STOP))
    assert state_of(sleeper.pid) != "T"
    strike(worker, 7, Ordeal(Trouble.STOP))
    await until(lambda: state_of(sleeper.pid) == "T")


async def test_a_worker_that_is_gone_is_let_be(sleeper: subprocess.Popen[bytes]) -> None:
    worker: Any = Stoppable(sleeper)
    worker.state = State.GONE
    strike(worker, 7, Ordeal(Trouble.STOP))
    assert state_of(sleeper.pid) != "T"
