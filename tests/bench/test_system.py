"""Children of the bench are weighed, pinned and surely ended."""

from __future__ import annotations

import os
import sys
import threading

import psutil
import pytest

from bench.system import PIN_CORE, Usage, pinned, resident_mb, running

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
    host_mb, tree_mb = resident_mb(os.getpid())
    assert 1 < host_mb <= tree_mb
    assert Usage.of(os.getpid()).root_s > 0


def test_a_process_that_is_gone_weighs_nothing() -> None:
    with running([sys.executable, "-c", "pass"]) as child:
        child.process.wait(10)
    assert resident_mb(child.process.pid) == (0.0, 0.0)
    assert Usage.of(child.process.pid) == Usage(0.0, 0.0)
