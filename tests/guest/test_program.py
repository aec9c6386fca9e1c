"""Runs of real programs, with a host that says little."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import monotonic

import pytest

from dragoman.core.fault import Cancelled, DeadlineExceeded, InvalidArgument, Started, StartFailed, Unknown
from dragoman.guest import program
from dragoman.guest.program import Run, check_exit

ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
NEVER = float("inf")


class Quiet:
    """A host that says nothing."""

    def __init__(self) -> None:
        self.fd, self._other = os.pipe()
        self.cancelled = False

    def attend(self) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None:
        os.close(self.fd)
        os.close(self._other)


class Kept:
    """Output that is kept."""

    def __init__(self) -> None:
        self.out = self.err = b""

    def take(self, data: bytes) -> None:
        self.out += data

    def log(self, data: bytes) -> None:
        self.err += data

    def ready(self) -> bool:
        return True


def reap() -> bool:
    return True


def run(script: str, feed: bytes | None = None, deadline: float = NEVER) -> tuple[int, Kept]:
    host, kept = Quiet(), Kept()
    one = Run("p", host, reap, deadline)
    try:
        one.start("/bin/sh", [b"sh", b"-c", script.encode()], ENV, feed)
        return one.finish(kept), kept
    finally:
        one.close()
        host.close()


def test_output_and_exit_code_come_back() -> None:
    status, kept = run("echo out; echo err >&2; exit 3")
    assert (status, kept.out, kept.err) == (3, b"out\n", b"err\n")


def test_output_and_input_past_what_a_pipe_holds_flow_at_once() -> None:
    feed = b"0123456789" * 300_000
    status, kept = run("tee /dev/stderr", feed)
    assert (status, kept.out, kept.err) == (0, feed, feed)


def test_a_program_that_does_not_read_its_input_ends_all_the_same() -> None:
    assert run("exec 0<&-; echo done", b"x" * 1_000_000)[1].out == b"done\n"


def test_closed_pipes_are_not_the_end_of_a_program() -> None:
    assert run("exec >&- 2>&-; sleep 0.05; exit 7")[0] == 7


def test_the_deadline_stops_it() -> None:
    begun = monotonic()
    with pytest.raises(DeadlineExceeded, match="p ran past") as caught:
        run("sleep 60", deadline=begun + 0.05)
    assert caught.value.started is Started.YES
    assert monotonic() - begun < 1
    with pytest.raises(DeadlineExceeded, match="before p began"):
        run("true", deadline=begun)


def test_a_cancellation_that_came_with_the_programs_end_is_seen() -> None:
    class Full(Kept):
        def ready(self) -> bool:
            return False

    host = Quiet()
    one = Run("p", host, reap, monotonic() + 20)
    one.start("/bin/true", [b"true"], ENV, None)
    host.cancelled = True
    with pytest.raises(Cancelled):
        one.wait_for(Full().ready)
    one.close()
    host.close()


def test_what_cannot_start_says_why() -> None:
    for path, kind, argv in (("/no/such", StartFailed, [b"x"]), ("/bin/true", InvalidArgument, [b"x" * 100_000] * 100)):
        host = Quiet()
        one = Run("p", host, reap, NEVER)
        with pytest.raises(kind) as caught:
            one.start(path, argv, ENV, None)
        assert caught.value.started is Started.NO
        one.close()
        host.close()


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (b"echo hi\n", 0o755, "neither a program for this machine nor a script"),
        (b"\x7fELF\0\0", 0o755, "neither a program for this machine nor a script"),
        (b"#!/no/such/interpreter\n", 0o755, "the interpreter that its '#!' line names is not there"),
        (b"#!/bin/sh\r\necho hi\r\n", 0o755, "ends in CR LF"),
        (b"#!/bin/sh\n", 0o644, "is it executable"),
    ],
)
def test_a_file_that_is_no_program_says_what_it_lacks(tmp_path: Path, content: bytes, mode: int, says: str) -> None:
    path = tmp_path / "program"
    path.write_bytes(content)
    path.chmod(mode)
    host = Quiet()
    one = Run("p", host, reap, NEVER)
    with pytest.raises(StartFailed, match=says):
        one.start(str(path), [b"program"], ENV, None)
    one.close()
    host.close()


def test_no_descriptor_is_left_open() -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    for _ in range(20):
        run("cat", b"x" * 100_000)
    assert count() == before


@pytest.mark.parametrize(
    ("status", "tail", "words"),
    [
        (3, "boom", "p exited with code 3: boom"),
        (1, "", "p exited with code 1$"),
        (-9, "", "killed by SIGKILL"),
        (-40, "", "signal 40"),
    ],
)
def test_any_end_but_success_is_a_fault(status: int, tail: str, words: str) -> None:
    with pytest.raises(Unknown, match=words) as caught:
        check_exit("p", status, tail)
    assert caught.value.started is Started.YES


def test_success_is_none() -> None:
    check_exit("p", 0, "warnings")


def test_it_is_quick_to_import() -> None:
    root = str(Path(program.__file__).parents[2])
    code = f"import sys; sys.path.insert(0, {root!r}); import dragoman.guest.command; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert not {"asyncio", "msgspec", "subprocess", "inspect", "dataclasses", "logging"} & set(told.stdout.split())
