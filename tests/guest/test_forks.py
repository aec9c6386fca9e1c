from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dragoman.core.fault import Unknown

if TYPE_CHECKING:
    from tests.guest.conftest import Start

SOURCE = """
import multiprocessing
import os
import subprocess
import sys

def fork_and_return() -> str:
    return "parent" if os.fork() else "child"

def fork_and_raise() -> str:
    if os.fork():
        return "parent"
    raise ValueError("in the child")

def fork_and_exit(status: int) -> int:
    pid = os.fork()
    if pid == 0:
        sys.exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def fork_and_print() -> int:
    pid = os.fork()
    if pid == 0:
        print("from the child")
    else:
        os.waitpid(pid, 0)
    return pid

def child_has_wire() -> list[str]:
    reader, writer = os.pipe()
    if os.fork() == 0:
        links = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if int(fd) > 2
                 and os.path.exists(f"/proc/self/fd/{fd}")]
        os.write(writer, ",".join(links).encode())
        os._exit(0)
    os.wait()
    return [link for link in os.read(reader, 65536).decode().split(",") if link.startswith("socket")]

def square(x):
    return x * x

def pool() -> list[int]:
    with multiprocessing.get_context("fork").Pool(2) as workers:
        return workers.map(square, [1, 2, 3])

def shell() -> str:
    return subprocess.run(["ls", "/proc/self/fd"], capture_output=True, text=True).stdout

    os.fork()

from collections.abc import Iterator
def stream() -> Iterator[int]:
    yield 1
    os.fork()
    yield 2

def same(x: int) -> int:
    return x
"""


@pytest.mark.parametrize("name", ["fork_and_return", "fork_and_raise"])
def test_a_forked_child_never_answers(serve: Start, name: str) -> None:
    guest = serve(SOURCE)
    for number in range(3):
        assert guest.call(name) == "parent"
        assert guest.call("same", {"x": number}) == number
    assert not guest.frames


def test_a_child_that_exits_leaves_with_its_own_status(serve: Start) -> None:
    assert serve(SOURCE).call("fork_and_exit", {"status": 7}) == 7


def test_what_a_child_prints_reaches_the_worker_pipe(serve: Start) -> None:
    guest = serve(SOURCE)
    assert guest.call("fork_and_print") > 0
    assert guest.out.read_text() == "from the child\n"


def test_a_child_does_not_hold_the_wire(serve: Start) -> None:
    assert serve(SOURCE).call("child_has_wire") == []


def test_multiprocessing_works(serve: Start) -> None:
    assert serve(SOURCE).call("pool") == [1, 4, 9]


def test_a_subprocess_inherits_no_descriptor_of_the_worker(serve: Start) -> None:
    fds = serve(SOURCE).call("shell").split()
    assert len(fds) <= 4


def test_a_stream_that_forks_goes_on_in_the_parent(serve: Start) -> None:
    guest = serve(SOURCE)
    call = guest.start("stream", stream=True)
    assert [guest.item(call), guest.item(call)] == [1, 2]
    assert guest.result(call) is None


def test_an_asynchronous_function_that_forks_answers_once(serve: Start) -> None:
    guest = serve("import os\nasync def fork() -> str:\n    return 'parent' if os.fork() else 'child'\n")
    assert [guest.call("fork") for _ in range(3)] == ["parent"] * 3


def test_the_worker_still_says_what_a_function_raised_after_a_fork(serve: Start) -> None:
    guest = serve("import os\ndef boom() -> None:\n    if os.fork():\n        raise OSError('parent')\n")
    with pytest.raises(Unknown, match="OSError: parent"):
        guest.call("boom")
    assert guest.process.poll() is None
