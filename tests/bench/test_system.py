"""Children of the bench are weighed, pinned and surely ended."""

from __future__ import annotations

import os
import sys
import threading

import psutil
import pytest

from bench.system import PIN_CORE, Usage, Weight, pinned, running

PARENT = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "


def wait_for_child(pid: int) -> psutil.Process:
    """The first child of a process that is just starting it."""
    patience = threading.Event()
    for _ in range(500):
        children = psutil.Process(pid).children()
        if children:
            return children[0]
        patience.wait(0.01)
    raise AssertionError("no child within 5 s")


def test_the_whole_tree_ends_with_the_block() -> None:
    with running([sys.executable, "-c", PARENT + "time.sleep(60)"]) as child:
        grandchild = wait_for_child(child.process.pid)
    assert not psutil.pid_exists(child.process.pid)
    psutil.wait_procs([grandchild], timeout=5)
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE


def test_a_child_that_ended_by_itself_says_why() -> None:
    with running([sys.executable, "-c", "raise SystemExit('the disk is full')"]) as child:
        child.process.wait(10)
        with pytest.raises(RuntimeError, match=r"ended with 1: the disk is full"):
            child.check()


def test_pinning_reaches_the_tree_and_is_taken_back() -> None:
    cores = os.sched_getaffinity(0)
    with running([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        with pinned(child.process.pid):
            assert os.sched_getaffinity(0) == os.sched_getaffinity(child.process.pid) == {PIN_CORE}
        assert os.sched_getaffinity(0) == os.sched_getaffinity(child.process.pid) == cores


def test_weight_and_cpu_of_a_process() -> None:
    with running([sys.executable, "-c", "import time; time.sleep(60)"]):
        weight = Weight.of(os.getpid())
    assert 0 < weight.worker_mb < weight.host_mb
    assert weight.tree_mb > 1
    assert Usage.of(os.getpid()).root_s > 0


def test_cpu_is_told_more_finely_than_ticks() -> None:
    before = Usage.of(os.getpid())
    for _ in range(10_000):
        pass
    used_s = Usage.of(os.getpid()).since(before).root_s
    assert used_s > 0
    assert round(used_s % 0.01, 6) != 0


def test_a_process_that_is_gone_weighs_nothing() -> None:
    with running([sys.executable, "-c", "pass"]) as child:
        child.process.wait(10)
    assert Weight.of(child.process.pid) == Weight(0.0, 0.0, 0.0)
    assert Usage.of(child.process.pid) == Usage(0.0, 0.0)
