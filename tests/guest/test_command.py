"""The guest of an executable, over a real wire, in a process of the spawner's."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dragoman.core.call import Codec, Trace
from dragoman.core.fault import Code, Fault, Started
from dragoman.guest.command import find
from dragoman.sandbox.confinement import Launch
from dragoman.sandbox.spawning import SpawnerConfinement
from dragoman.wire import meta
from dragoman.wire.connection import Connection
from dragoman.wire.frame import Frame, Kind
from dragoman.wire.handshake import Hello, Limits
from dragoman.wire.report import load_event, load_fault
from dragoman.wire.state import Role

SAFE = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


class Host:
    """The host's end: blocking, one call after the other unless a test says otherwise."""

    def __init__(self, sock: socket.socket, child: Any, credit_bytes: int) -> None:
        self.sock, self.child = sock, child
        self.sock.settimeout(20)
        self.connection = Connection(Role.HOST)
        self.events: list[Any] = []
        self.items: list[bytes] = []
        self.last = 0
        self.sock.sendall(self.connection.hello(Hello("test", "pre", limits=Limits(credit_bytes=credit_bytes))))

    def frames(self) -> list[Frame]:
        data = self.sock.recv(65536)
        assert data, "the guest is gone"
        return self.connection.receive(data)

    def ready(self) -> Host:
        while self.connection.said_ready is None:
            for frame in self.frames():
                if frame.kind == Kind.FAULT:
                    raise load_fault(frame.body)
        return self

    def send(
        self, body: bytes, codec: int = Codec.JSON, *, amount: int = 0, entries: bytes = b"", stream: bool = False
    ) -> int:
        self.last += 1
        header = self.connection.stream_header if stream else self.connection.call_header
        self.sock.sendall(header(self.last, 0, codec, len(body), amount, entries) + body)
        return self.last

    def answer(self, call: int, *, grant: bool = True) -> Frame:
        """Wait for a call's END; raises its fault."""
        while True:
            for frame in self.frames():
                if frame.kind == Kind.EVENT:
                    self.events.append(load_event(frame.body))
                elif frame.kind == Kind.ITEM:
                    self.items.append(frame.body)
                    if grant and (credit := self.connection.consumed(frame.call, len(frame.body))):
                        self.sock.sendall(credit)
                elif frame.kind == Kind.FAULT and frame.call == call:
                    raise load_fault(frame.body)
                elif frame.kind == Kind.END and frame.call == call:
                    return frame

    def call(self, value: Any = None, **more: Any) -> Any:
        return json.loads(self.answer(self.send(json.dumps(value or {}).encode(), **more)).body)

    def refused(self, value: Any = None, **more: Any) -> Fault:
        with pytest.raises(Fault) as caught:
            self.call(value, **more)
        return caught.value


Serve = Callable[..., Awaitable[Host]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    confinement = SpawnerConfinement.launch(preload=("dragoman.guest.command",))
    hosts: list[Host] = []

    async def start(*command: str, credit_bytes: int = 256 * 1024, **settings: Any) -> Host:
        contract = {"name": "prog", "input": {"type": "object", "properties": settings.pop("properties", {})}}
        described = {"name": "prog", "command": command, "contract": contract, "env": SAFE, "cwd": str(tmp_path)}
        env = {**SAFE, "DRAGOMAN_COMMAND": json.dumps({**described, **settings})}
        ours, theirs = socket.socketpair()
        with theirs:
            child = await confinement.start(
                Launch(entry="dragoman.guest.command:main", env=env, cwd=str(tmp_path)), theirs.fileno()
            )
        hosts.append(Host(ours, child, credit_bytes))
        return hosts[-1].ready()

    yield start
    await confinement.aclose()
    for host in hosts:
        host.sock.close()
        os.close(host.child.stdout_fd)
        os.close(host.child.stderr_fd)


async def sh(serve: Serve, script: str, **settings: Any) -> Host:
    return await serve("sh", "-c", script.replace("{", "{{").replace("}", "}}"), **{"stdout": "text", **settings})


def alive(mark: str) -> bool:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                return (folder / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            continue
    return False


def open_fds(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


async def test_values_become_arguments_and_stdout_the_reply(serve: Serve) -> None:
    host = await serve(
        "printf", r"[%s]\n", "--", "{a}", "--b={b}", "{c}", stdout="text", properties={"b": {"default": 7}}
    )
    assert host.call({"a": "-x y", "c": ["1", "2"]}) == "[--]\n[-x y]\n[--b=7]\n[1]\n[2]\n"
    assert host.call({"a": "z", "b": None}) == "[--]\n[z]\n"


async def test_the_manifest_is_the_contract_as_it_was_given(serve: Serve) -> None:
    host = await serve("true")
    assert host.connection.said_ready is not None
    assert [each["name"] for each in host.connection.said_ready.functions] == ["prog"]
    assert host.connection.said_ready.features == ("revoke",)


@pytest.mark.parametrize(
    ("stdout", "script", "codec", "body"),
    [
        ("json", "echo ' [1, 2.50] '", Codec.JSON, b"[1, 2.50]"),
        ("text", r"printf 'a\n'", Codec.JSON, b'"a\\n"'),
        ("bytes", r"printf '\377\000'", Codec.BYTES, b"\xff\x00"),
    ],
)
async def test_stdout_is_read_as_the_project_says(
    serve: Serve, stdout: str, script: str, codec: Codec, body: bytes
) -> None:
    host = await sh(serve, script, stdout=stdout)
    frame = host.answer(host.send(b"{}"))
    assert (frame.body_codec, frame.body) == (codec, body)
    assert frame.amount > 0


async def test_the_input_reaches_stdin_as_json_or_as_the_body(serve: Serve) -> None:
    as_json = await sh(serve, "cat", stdin="json", stdout="json")
    assert as_json.call({"a": [1, None]}) == {"a": [1, None]}
    as_body = await sh(serve, "cat", stdin="body", stdout="bytes")
    raw = os.urandom(1_000_000)
    assert as_body.answer(as_body.send(raw, Codec.BYTES)).body == raw
    assert as_body.answer(as_body.send(b"not json")).body == b"not json"
    without = await sh(serve, "cat; readlink /proc/self/fd/0", stdout="text")
    assert without.call() == "/dev/null\n"


async def test_a_stream_flows_line_by_line(serve: Serve, tmp_path: Path) -> None:
    os.mkfifo(fifo := tmp_path / "wait")
    host = await sh(serve, "echo 1; read _ < wait; echo 2", stdout="jsonl")
    call = host.send(b"{}", stream=True)
    while not host.items:
        host.items += [frame.body for frame in host.frames() if frame.kind == Kind.ITEM]
    assert host.items == [b"1"]
    fifo.write_text("go\n")
    assert host.answer(call).body == b""
    assert host.items == [b"1", b"2"]


async def test_a_long_stream_keeps_to_its_credit(serve: Serve) -> None:
    host = await sh(serve, "seq 1 20000", stdout="jsonl", credit_bytes=1000)
    host.answer(host.send(b"{}", stream=True))
    assert host.items == [str(number).encode() for number in range(1, 20001)]


async def test_a_stream_without_credit_can_be_cancelled(serve: Serve) -> None:
    host = await sh(serve, "yes 1", stdout="jsonl", credit_bytes=100)
    call = host.send(b"{}", stream=True)
    host.frames()
    host.sock.sendall(host.connection.cancel(call))
    with pytest.raises(Fault) as caught:
        host.answer(call, grant=False)
    assert caught.value.code is Code.CANCELLED


async def test_a_stream_of_which_the_program_has_ended_waits_for_credit_and_can_be_cancelled(serve: Serve) -> None:
    host = await sh(serve, "seq 1 100; echo done >&2", stdout="jsonl", credit_bytes=100)
    call = host.send(b"{}", stream=True)
    while not host.events:
        host.events += [load_event(frame.body) for frame in host.frames() if frame.kind == Kind.EVENT]
    host.sock.sendall(host.connection.ping(b"p") + host.connection.cancel(call))
    with pytest.raises(Fault) as caught:
        host.answer(call, grant=False)
    assert caught.value.code is Code.CANCELLED
    assert len(host.items) < 100


async def test_a_failed_program_tells_its_code_and_the_end_of_stderr(serve: Serve) -> None:
    host = await sh(serve, "echo working; echo 'no such table' >&2; exit 3")
    fault = host.refused()
    assert (fault.code, fault.started) == (Code.UNKNOWN, Started.YES)
    assert fault.detail == "prog exited with code 3: no such table"
    assert [(event.message, event.stream) for event in host.events] == [("no such table", "stderr")]
    assert (await sh(serve, "kill -SEGV $$")).refused().detail == "prog was killed by SIGSEGV"


async def test_output_that_is_not_json_is_quoted(serve: Serve) -> None:
    assert "is not JSON" in (await sh(serve, "echo Usage: prog", stdout="json")).refused().detail
    assert "Usage: prog" in (await sh(serve, "echo Usage: prog", stdout="json")).refused().detail


@pytest.mark.parametrize("stdout", ["text", "jsonl"])
async def test_endless_output_is_stopped_at_the_bound(serve: Serve, stdout: str) -> None:
    host = await sh(serve, "yes 1", stdout=stdout, output_bytes_max=300_000)
    fault = host.refused(stream=stdout == "jsonl")
    assert (fault.code, fault.started) == (Code.RESOURCE_EXHAUSTED, Started.YES)
    assert "300000 bytes" in fault.detail
    assert not alive("yes")


async def test_a_cancelled_program_is_killed_with_all_it_started(serve: Serve) -> None:
    mark = f"4{os.getpid()}77"
    host = await sh(serve, f"trap '' TERM; setsid sleep {mark} & sleep {mark} & wait")
    call = host.send(b"{}")
    until(lambda: alive(mark))
    host.sock.sendall(host.connection.cancel(call))
    with pytest.raises(Fault) as caught:
        host.answer(call)
    assert caught.value.code is Code.CANCELLED
    assert not alive(mark)
    host.sock.sendall(host.connection.ping(b"still there"))
    assert [frame.body for frame in host.frames()] == [b"still there"]


async def test_a_background_process_that_holds_the_pipes_does_not_hold_up_the_call(serve: Serve) -> None:
    mark = f"4{os.getpid()}78"
    host = await sh(serve, f"echo hi; setsid sleep {mark} &")
    begun = time.monotonic()
    assert host.call() == "hi\n"
    assert time.monotonic() - begun < 5
    assert not alive(mark)


async def test_pings_are_answered_while_the_program_runs(serve: Serve) -> None:
    host = await sh(serve, "sleep 60")
    call = host.send(b"{}")
    host.sock.sendall(host.connection.ping(b"one"))
    assert [frame.kind for frame in host.frames()] == [Kind.PONG]
    host.sock.sendall(host.connection.cancel(call))
    with pytest.raises(Fault):
        host.answer(call)


async def test_calls_wait_their_turn_and_can_be_taken_back(serve: Serve) -> None:
    host = await sh(serve, "sleep 60")
    running, waiting, revoked = (host.send(b"{}") for _ in range(3))
    host.sock.sendall(host.connection.cancel(waiting) + host.connection.cancel(revoked, unstarted=True))
    faults: dict[int, Fault] = {}
    while len(faults) < 2:
        faults |= {frame.call: load_fault(frame.body) for frame in host.frames() if frame.kind == Kind.FAULT}
    assert {call: fault.code for call, fault in faults.items()} == {waiting: Code.CANCELLED, revoked: Code.ABORTED}
    assert {fault.started for fault in faults.values()} == {Started.NO}
    host.sock.sendall(host.connection.cancel(running))


async def test_the_deadline_ends_the_program(serve: Serve) -> None:
    host = await sh(serve, "sleep 60")
    begun = time.monotonic()
    assert host.refused(amount=50).code is Code.DEADLINE_EXCEEDED
    assert time.monotonic() - begun < 2


async def test_only_the_given_environment_and_the_call_reach_the_program(serve: Serve) -> None:
    host = await serve("env", stdout="text", env={**SAFE, "MODEL": "small"})
    entries = meta.encode(Trace(b"\1" * 16, b"\2" * 8), "call-9")
    names = dict(line.split("=", 1) for line in host.call(entries=entries).splitlines())
    traceparent = f"00-{'01' * 16}-{'02' * 8}-01"
    assert names == {**SAFE, "MODEL": "small", "DRAGOMAN_CALL_ID": "call-9", "TRACEPARENT": traceparent}
    assert "DRAGOMAN_CALL_ID=pre00000002" in host.call()


async def test_only_the_three_standard_descriptors_reach_the_program(serve: Serve) -> None:
    host = await serve("ls", "/proc/self/fd", stdout="text")
    assert host.call().split() == ["0", "1", "2", "3"]  # and the one that lists them


async def test_bad_input_is_refused_before_anything_starts(serve: Serve) -> None:
    host = await serve("cat", "{path}")
    for value, words in (({"path": "-rf"}, "begins with '-'"), ({"path": "a\0"}, "NUL")):
        fault = host.refused(value)
        assert (fault.code, fault.started) == (Code.INVALID_ARGUMENT, Started.NO)
        assert words in fault.detail
    for body, codec, code in ((b"[]", Codec.JSON, Code.INVALID_ARGUMENT), (b"\x80", Codec.MSGPACK, Code.UNIMPLEMENTED)):
        with pytest.raises(Fault) as caught:
            host.answer(host.send(body, codec))
        assert caught.value.code is code


async def test_a_stream_must_be_asked_for(serve: Serve) -> None:
    assert (await sh(serve, "echo 1", stdout="jsonl")).refused().code is Code.UNIMPLEMENTED


async def test_a_program_that_is_not_there_stops_the_start_and_says_so(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "plain").touch(0o644)
    for program, words in (("nope", "in PATH"), ("./nope", "there is no program './nope'"), ("./plain", "chmod")):
        with pytest.raises(Fault, match=words) as caught:
            await serve(program)
        assert caught.value.code is Code.UNAVAILABLE


async def test_a_program_that_goes_away_later_is_a_fault_of_the_call(serve: Serve, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\necho 1\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    host = await serve("./script")
    assert host.call() == 1
    script.unlink()
    fault = host.refused()
    assert (fault.code, fault.started) == (Code.UNAVAILABLE, Started.NO)


async def test_drain_finishes_what_runs_and_leaves(serve: Serve) -> None:
    host = await sh(serve, "echo last")
    call = host.send(b"{}")
    host.sock.sendall(host.connection.drain())
    assert b"last" in host.answer(call).body
    while host.connection.phase.value == "draining":
        host.frames()
    assert (await asyncio.wait_for(host.child.wait(), 10)).status == 0


async def test_a_closed_wire_ends_the_guest_and_its_program(serve: Serve) -> None:
    mark = f"4{os.getpid()}79"
    host = await sh(serve, f"setsid sleep {mark} & wait")
    host.send(b"{}")
    until(lambda: alive(mark))
    host.sock.close()
    await asyncio.wait_for(host.child.wait(), 10)
    assert not alive(mark)


async def test_hundreds_of_calls_leak_nothing(serve: Serve) -> None:
    host = await sh(serve, "echo x; exit $((RANDOM % 2))", stdin="json")
    descriptors = open_fds(host.child.pid)
    for _ in range(200):
        host.call()
    until(lambda: open_fds(host.child.pid) == descriptors)  # they are closed after the last answer


def test_a_program_is_found_in_the_path_that_its_worker_sees(tmp_path: Path) -> None:
    (tmp_path / "tool").touch(0o755)
    assert find("tool", f"/nope:{tmp_path}") == str(tmp_path / "tool")
    with pytest.raises(Fault, match="in PATH"):
        find("tool-of-nobody", "/bin")
