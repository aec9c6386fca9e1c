import os
import subprocess
import sys
import time
from typing import Any

import pytest

from dragoman.testing import ManualClock
from dragoman.wire.frame import Kind
from dragoman.workers.nursery import Nursery
from dragoman.workers.upkeep import PING_S, PONG_S, Upkeep, processor_s, proportional_bytes, resident_bytes
from tests.workers.conftest import Open
from tests.workers.peer import Peer, Shop, make_call


class Told:
    """A crew that remembers whom it was told to let go."""

    nursery: Nursery | None = None

    def __init__(self, here: Shop) -> None:
        self.pool = here.pool
        self.clock = ManualClock(here.pool.clock.monotonic())
        here.pool.clock = self.clock
        self.gone: list[str] = []
        self.renewed: list[str] = []
        self.ensured = 0
        self.upkeep = Upkeep(self)

    def ensure(self) -> None:
        self.ensured += 1

    def let_go(self, worker: Any, reason: str) -> None:
        self.gone.append(reason)

    def renew(self, worker: Any, reason: str) -> None:
        self.renewed.append(reason)

    def look(self, peer: Peer, after_s: float) -> None:
        self.clock.advance(after_s)
        self.upkeep.look_at(peer.worker)


async def test_idle_workers_above_the_least_are_let_go(shop: Open) -> None:
    here = shop(workers_min=1, idle_s=5.0)
    peer, _ = await here.hire(), await here.hire()
    told = Told(here)
    told.look(peer, 4.9)
    assert not told.gone
    told.look(peer, 0.2)
    assert told.gone == ["it was idle for 5s"]


async def test_the_least_number_of_workers_stays(shop: Open) -> None:
    here = shop(workers_min=1, idle_s=1.0)
    peer = await here.hire()
    told = Told(here)
    told.look(peer, 9.0)
    assert not told.gone


async def test_old_and_fat_workers_are_renewed_busy_or_not(shop: Open) -> None:
    here = shop(recycle_age_s=60.0, recycle_memory_bytes=1 << 20)
    peer = await here.hire()
    told = Told(here)
    here.pool(make_call())
    told.look(peer, 59.0)
    assert not told.renewed
    told.look(peer, 2.0)
    peer.worker.started_at = told.clock.monotonic()
    peer.worker.resident_bytes = 3 << 20
    told.look(peer, 0.0)
    assert told.renewed == ["it is 61s old", "it uses 3 MB"]


async def test_a_silent_idle_worker_is_found_out(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    told = Told(here)
    told.look(peer, PING_S)
    assert (await peer.next(Kind.PING)).body == b""
    told.look(peer, PONG_S)
    assert not peer.child.killed
    told.look(peer, 0.5)
    assert peer.child.killed
    assert peer.worker.stopping_reason == "it no longer answers"


async def test_a_busy_worker_owes_no_answer(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    told = Told(here)
    told.look(peer, PING_S)
    here.pool(make_call())
    told.look(peer, 10 * PONG_S)
    assert not peer.child.killed
    peer.worker.in_flight.clear()
    told.look(peer, PONG_S - 1)
    assert not peer.child.killed


def test_memory_is_measured_with_the_children() -> None:
    assert resident_bytes(os.getpid()) > 1 << 20


@pytest.mark.parametrize("pid", [2**22 + 1])
def test_a_process_that_is_gone_weighs_nothing_and_has_used_nothing(pid: int) -> None:
    assert resident_bytes(pid) == 0
    assert processor_s(pid) == 0.0


def test_the_time_of_a_process_is_that_of_its_threads() -> None:
    used = time.process_time()
    assert used - 0.1 <= processor_s(os.getpid()) <= time.process_time() + 0.1


def test_processes_are_weighed_with_all_that_they_have_started() -> None:
    script = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = bytes(50_000_000); print(1); input()'])"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert proportional_bytes([process.pid, process.pid]) > 1_000_000
        assert proportional_bytes([process.pid]) == pytest.approx(proportional_bytes([process.pid] * 2), rel=0.1)
        process.communicate(b"\n")
    assert proportional_bytes([process.pid]) == 0
    assert proportional_bytes([os.getpid()]) > 1_000_000
