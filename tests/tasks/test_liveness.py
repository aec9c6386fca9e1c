"""A process is said to be gone only where it certainly is."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from dragoman.tasks.liveness import has_gone, place, runner


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    code = (
        "import sys; from dragoman.tasks.liveness import place\n"
        "here = place(); print(here.pid, here.born_at, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        yield child
        child.kill()


def test_this_process_is_there() -> None:
    assert place().pid == os.getpid()
    assert not has_gone(place())
    assert not has_gone(runner("me"))


def test_a_process_that_has_ended_is_gone_even_before_it_is_waited_for(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    pid, born_at = child.stdout.readline().split()
    there = place()._replace(pid=int(pid), born_at=float(born_at))
    assert not has_gone(there)

    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert has_gone(there)
    child.wait()
    assert has_gone(there)


def test_another_process_with_the_same_number_is_not_taken_for_it() -> None:
    assert has_gone(place()._replace(born_at=place().born_at - 1))


@pytest.mark.parametrize("other", [{"boot": "another"}, {"space": "pid:[1]"}, {"boot": ""}, {"space": ""}])
def test_what_cannot_be_seen_from_here_is_not_said_to_be_gone(other: dict[str, str]) -> None:
    assert not has_gone(place()._replace(pid=2**22 + 1)._replace(**other))
