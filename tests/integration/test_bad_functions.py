"""Functions that misbehave: each call gets a clear fault or its answer, and the host serves on."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

import dragoman
from dragoman.core.fault import Code, Fault, Started
from dragoman.host.blocking import BlockingProject
from tests.integration.conftest import Write

SOURCE = """
import ctypes, os, signal, sys, threading, time
from typing import Any, Iterator

def ok() -> int: return 1

def print_a_gigabyte() -> int:
    line = "x" * 1023 + "\\n"
    for _ in range(1 << 20):
        sys.stdout.write(line)
    return 1

def write_a_gigabyte() -> int:
    chunk = b"y" * (1 << 20)
    for _ in range(1 << 10):
        os.write(1, chunk)
    return 1

def return_a_socket() -> Any:
    import socket
    return socket.socket()

def return_itself() -> Any:
    loop: list[Any] = []
    loop.append(loop)
    return loop

def return_too_much() -> bytes: return bytes(100 << 20)
def leave() -> int: sys.exit(5)
def leave_at_once() -> int: os._exit(5)
def raise_interrupt() -> int: raise KeyboardInterrupt
def raise_anything() -> int: raise ValueError("wrong \\udc80 thing")
def crash() -> int: return ctypes.string_at(0)[0]
def abort() -> int: os.abort()

def close_everything() -> int:
    os.closerange(0, 4096)
    return 1

def close_output() -> int:
    sys.stdout.close(); sys.stderr.close(); os.close(1); os.close(2)
    return 1

def fork_and_leave() -> int:
    if os.fork():
        os._exit(0)
    time.sleep(60)
    return 1

def fork_and_return() -> int:
    pid = os.fork()
    return 1 if pid else 2

def fork_and_raise() -> int:
    if os.fork() == 0:
        raise RuntimeError("in the child")
    return 1

def exhaust_memory() -> int: return len(bytearray(1 << 48))
def recurse() -> int: return recurse()
def stream_badly() -> Iterator[Any]:
    yield 1
    yield object()
def threads_left_behind() -> int:
    threading.Thread(target=time.sleep, args=(60,)).start()
    return 1
def change_signals() -> int:
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    return 1
def leave_the_folder() -> int:
    os.chdir("/")
    return 1
"""
ANSWERED = (
    "print_a_gigabyte",
    "write_a_gigabyte",
    "close_output",
    "fork_and_return",
    "fork_and_raise",
    "threads_left_behind",
    "change_signals",
    "leave_the_folder",
)
FAILING = {
    "return_a_socket": (Code.UNKNOWN, "socket.socket that cannot be sent"),
    "return_itself": (Code.UNKNOWN, "contains itself"),
    "return_too_much": (Code.RESOURCE_EXHAUSTED, "too large"),
    "leave": (Code.UNKNOWN, "sys.exit(5)"),
    "leave_at_once": (Code.UNAVAILABLE, "exit code 5"),
    "raise_interrupt": (Code.UNKNOWN, "KeyboardInterrupt"),
    "raise_anything": (Code.UNKNOWN, "ValueError: wrong"),
    "crash": (Code.UNAVAILABLE, "signal 11"),
    "abort": (Code.UNAVAILABLE, "signal 6"),
    "close_everything": (Code.UNAVAILABLE, "did user code close it"),
    "fork_and_leave": (Code.UNAVAILABLE, "exit code 0"),
    "exhaust_memory": (Code.UNKNOWN, "MemoryError"),
    "recurse": (Code.UNKNOWN, "RecursionError"),
    "stream_badly": (Code.UNKNOWN, "object"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockingProject]:
    folder = tmp_path_factory.mktemp("functions")
    (folder / "odd.py").write_text(SOURCE)
    with dragoman.open(folder / "odd.py") as opened:
        yield opened


@pytest.mark.parametrize("function", ANSWERED)
def test_what_is_odd_but_harmless_is_answered(project: BlockingProject, function: str) -> None:
    assert project.call(f"odd.{function}") == 1
    assert project.odd.ok() == 1


@pytest.mark.parametrize("function", list(FAILING))
def test_what_goes_wrong_is_a_clear_fault(project: BlockingProject, function: str) -> None:
    code, why = FAILING[function]
    begun = time.monotonic()
    with pytest.raises(Fault) as fault:
        project.call(f"odd.{function}")
    assert time.monotonic() - begun < 3.0
    assert fault.value.code is code
    assert why in fault.value.detail
    assert fault.value.started is Started.YES
    assert fault.value.function == f"odd.{function}"
    assert project.odd.ok() == 1


def test_the_host_serves_on_however_often(write: Write) -> None:
    with dragoman.open(write(odd__py=SOURCE) / "odd.py") as project:
        for function in ("leave_at_once", "close_everything", "crash", "fork_and_leave", "leave"):
            with pytest.raises(Fault):
                project.call(f"odd.{function}")
            assert project.odd.ok() == 1
