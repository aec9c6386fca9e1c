"""What a program prints, taken apart."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core.call import Codec
from dragoman.core.fault import ResourceExhausted, Unknown
from dragoman.guest.printed import LOG_BYTES_MAX, TAIL_BYTES_MAX, Lines, Log, Whole, load_object
from dragoman.wire.connection import Connection
from dragoman.wire.frame import Frame, Kind
from dragoman.wire.handshake import Hello, Limits, Ready
from dragoman.wire.report import load_event
from dragoman.wire.state import Role


class Wire:
    """A guest's line that keeps what is sent, with one call that may stream taken."""

    def __init__(self, credit_bytes: int = 256 * 1024) -> None:
        self.host, self.connection = Connection(Role.HOST), Connection(Role.GUEST)
        self.connection.receive(self.host.hello(Hello("test", limits=Limits(credit_bytes=credit_bytes))))
        self.host.receive(self.connection.ready(Ready("exec")))
        self.connection.receive(self.host.stream_header(1, 0, 1, 2) + b"{}")
        self.frames: list[Frame] = []

    def put(self, *parts: bytes) -> None:
        self.frames += self.host.receive(b"".join(parts))

    def grant(self, amount: int) -> None:
        self.connection.receive(self.host.credit(1, amount))

    def logged(self) -> list[Any]:
        return [load_event(frame.body) for frame in self.frames if frame.kind == Kind.EVENT]

    def items(self) -> list[bytes]:
        return [frame.body for frame in self.frames if frame.kind == Kind.ITEM]


def wire(**more: int) -> Any:
    return Wire(**more)


def test_stderr_comes_as_lines_however_it_was_cut() -> None:
    line = wire()
    log = Log(line, 1)
    for piece in (b"one\r\ntw", b"o\n", b"\xff!"):
        log.log(piece)
    assert log.settle() == "one\r\ntwo\n\ufffd!"
    assert [event.message for event in line.logged()] == ["one", "two", "\ufffd!"]
    assert {(event.stream, event.level) for event in line.logged()} == {("stderr", "warning")}


def test_endless_stderr_is_bounded_and_its_end_is_kept() -> None:
    line = wire()
    log = Log(line, 1)
    for _ in range(100):
        log.log(b"x" * 65536)
    log.log(b"the end")
    tail = log.settle()
    assert tail.endswith("the end")
    assert len(tail) == TAIL_BYTES_MAX
    assert sum(len(event.message) for event in line.logged()) < LOG_BYTES_MAX + 200
    assert line.logged()[-1].message.startswith(f"{99 * 65536 + 7} bytes of stderr were dropped")


def test_one_json_value_is_passed_on_as_it_is() -> None:
    whole = Whole(wire(), 1, "p", 100)
    whole.take(b' {"a": 1.50,')
    whole.take(b' "b": 9223372036854775808}\n')
    assert whole.reply("json") == (Codec.JSON, b'{"a": 1.50, "b": 9223372036854775808}')


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "nothing"),
        (b"{} {}", "not JSON"),
        (b"NaN", "not JSON"),
        (b'"\xff"', "not JSON"),
        (b"[" * 90000, "too deep"),
    ],
)
def test_what_is_not_one_json_value_is_quoted_in_the_fault(data: bytes, problem: str) -> None:
    whole = Whole(wire(), 1, "p", 100_000)
    if data:
        whole.take(data)
    with pytest.raises(Unknown, match=problem) as caught:
        whole.reply("json")
    assert len(caught.value.detail) < 500


def test_text_and_bytes_need_not_be_valid_anything() -> None:
    whole = Whole(wire(), 1, "p", 100)
    whole.take(b'a"\xff\n')
    assert whole.reply("text") == (Codec.JSON, '"a\\"\ufffd\\n"'.encode())
    assert whole.reply("bytes") == (Codec.BYTES, b'a"\xff\n')


@pytest.mark.parametrize("kind", [Whole, Lines])
def test_output_past_the_bound_stops_the_program(kind: Any) -> None:
    output = kind(wire(), 1, "p", 10)
    output.take(b"0123456789")
    with pytest.raises(ResourceExhausted, match="more than 10 bytes"):
        output.take(b"x")


def test_lines_become_items_however_they_were_cut() -> None:
    line = wire()
    lines = Lines(line, 1, "p", 1000)
    for piece in (b"1\n", b"[2", b",", b"3]\r\n\n ", b'{"a":4}\n5'):
        lines.take(piece)
    assert line.items() == [b"1", b"[2,3]", b'{"a":4}']
    assert lines.end()
    assert line.items()[-1] == b"5"


def test_without_credit_lines_wait() -> None:
    line = wire(credit_bytes=40)
    lines = Lines(line, 1, "p", 1000)
    lines.take(b"1\n2\n3\n")
    assert not lines.ready()
    assert line.items() == [b"1", b"2"]
    line.host.consumed(1, 1)
    line.grant(33)
    assert lines.end()
    assert line.items() == [b"1", b"2", b"3"]


def test_a_line_that_is_not_json_is_named_by_its_number() -> None:
    lines = Lines(wire(), 1, "p", 1000)
    with pytest.raises(Unknown, match="line 3 that p printed on stdout is not JSON"):
        lines.take(b"1\n\nmain() {\n")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"a": NaN}', b"[" * 90000])
def test_only_an_object_is_an_input(body: bytes) -> None:
    assert load_object(body) is None
