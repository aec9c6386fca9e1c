from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dragoman.core.call import Codec
from dragoman.core.fault import Fault, ResourceExhausted, Started, Unimplemented, Unknown
from dragoman.wire.frame import Kind
from dragoman.wire.handshake import Hello, Limits
from dragoman.wire.report import load_fault

if TYPE_CHECKING:
    from tests.guest.conftest import Start

SOURCE = """
import sys
from dragoman.core.fault import Fault, NotFound, ResourceExhausted

def five() -> int:
    return 5

def raises(message: str) -> None:
    raise ValueError(message)

def exits(status: int) -> None:
    sys.exit(status)

def interrupts() -> None:
    raise KeyboardInterrupt

def recurses() -> None:
    recurses()

def exhausts_memory() -> int:
    return len([0] * (1 << 60))

def refuses() -> None:
    raise Fault.failed_precondition("not today")

def finds_nothing() -> None:
    raise NotFound("no such order")

def is_busy() -> None:
    raise ResourceExhausted("come back", retry_after_s=1.5)

def unwritable() -> object:
    return object()

def large(n: int) -> str:
    return "x" * n

def digest(data: bytes) -> bytes:
    return data[::-1]

def lies() -> int:
    class Liar(Exception):
        def __str__(self):
            raise RuntimeError
    raise Liar
"""


@pytest.mark.parametrize(
    ("name", "arguments", "detail"),
    [
        ("raises", {"message": "bad luck"}, "ValueError: bad luck"),
        ("exits", {"status": 3}, r"sys.exit\(3\)"),
        ("interrupts", {}, "KeyboardInterrupt"),
        ("recurses", {}, "RecursionError"),
        ("exhausts_memory", {}, "MemoryError"),
        ("unwritable", {}, "unwritable returned"),
        ("lies", {}, "Liar: .its message cannot be read"),
    ],
)
def test_whatever_a_function_raises_is_a_fault_and_the_worker_serves_on(
    serve: Start, name: str, arguments: dict[str, object], detail: str
) -> None:
    guest = serve(SOURCE)
    with pytest.raises(Unknown, match=detail) as caught:
        guest.call(name, arguments)
    assert caught.value.started is Started.YES
    assert guest.call("five") == 5


def test_a_traceback_begins_with_the_users_code(serve: Start) -> None:
    with pytest.raises(Unknown) as caught:
        serve(SOURCE).call("raises", {"message": "x"})
    lines = caught.value.traceback.splitlines()
    assert lines[0].startswith("Traceback")
    assert "source.py" in lines[1]
    assert "dragoman/guest" not in caught.value.traceback


def test_a_traceback_and_a_detail_are_bounded(serve: Start) -> None:
    with pytest.raises(Unknown) as caught:
        serve(SOURCE).call("raises", {"message": "x" * 1_000_000})
    assert len(caught.value.detail) < 5_000
    assert len(caught.value.traceback) < 20_000


def test_a_raised_fault_keeps_its_code_and_says_that_it_ran(serve: Start) -> None:
    guest = serve(SOURCE)
    for name, code in (("refuses", "FAILED_PRECONDITION"), ("finds_nothing", "NOT_FOUND")):
        with pytest.raises(Fault) as caught:
            guest.call(name)
        assert (caught.value.code, caught.value.started) == (code, Started.YES)
    with pytest.raises(ResourceExhausted) as busy:
        guest.call("is_busy")
    assert (busy.value.retry_after_s, busy.value.retryable) == (1.5, False)


def test_a_result_too_large_for_the_host_is_a_fault(serve: Start) -> None:
    guest = serve(SOURCE, hello=Hello("test/0", limits=Limits(frame_bytes_max=100_000)))
    with pytest.raises(ResourceExhausted, match="too large"):
        guest.call("large", {"n": 200_000})
    assert len(guest.call("large", {"n": 1000})) == 1000


def test_the_reply_comes_in_the_codec_that_was_asked_for(serve: Start) -> None:
    guest = serve(SOURCE)
    index = guest.names.index("five")
    guest.send(guest.connection.call(900, index, Codec.JSON | Codec.MSGPACK << 4, b"{}"))
    frame = guest.answer(900)
    assert (frame.codec, frame.body) == (Codec.MSGPACK, b"\x05")
    guest.send(guest.connection.call(901, index, 0, b""))
    frame = guest.answer(901)
    assert (frame.codec, frame.body) == (Codec.JSON, b"5")


def test_raw_bytes_go_in_and_out_untouched(serve: Start) -> None:
    guest = serve(SOURCE)
    index = guest.names.index("digest")
    guest.send(guest.connection.call(900, index, Codec.BYTES, b"\x00\xffabc"))
    frame = guest.answer(900)
    assert (frame.codec, frame.body) == (Codec.BYTES, b"cba\xff\x00")
    guest.send(guest.connection.call(901, index, Codec.JSON, json.dumps({"data": "YWJj"}).encode()))
    frame = guest.answer(901)
    assert (frame.codec, frame.body) == (Codec.JSON, b'"Y2Jh"'), "bytes are base64 in JSON"


WIDE = """
from dragoman.guest.context import Context

def plain() -> int:
    return 10**30

def contextual(ctx: Context) -> dict[str, int]:
    return {"n": 10**30}
"""


@pytest.mark.parametrize("source", [WIDE, WIDE.replace("def ", "async def ")], ids=["sync", "async"])
def test_an_integer_that_messagepack_cannot_say_comes_as_json(serve: Start, source: str) -> None:
    guest = serve(source)
    for call, (name, body) in enumerate((("plain", b"%d" % 10**30), ("contextual", b'{"n":%d}' % 10**30)), 900):
        index = guest.names.index(name)
        guest.send(guest.connection.call(call, index, Codec.JSON | Codec.MSGPACK << 4, b"{}"))
        frame = guest.answer(call)
        assert (frame.kind, frame.codec, frame.body) == (Kind.END, Codec.JSON, body)


@pytest.mark.parametrize("source", [SOURCE, SOURCE + "async def nothing() -> None: ...\n"], ids=["sync", "async"])
def test_arrow_is_refused_before_the_function_begins(serve: Start, source: str) -> None:
    guest = serve(source)
    guest.send(guest.connection.call(900, guest.names.index("five"), Codec.ARROW, b"x"))
    frame = guest.answer(900)
    assert frame.kind == Kind.FAULT
    fault = load_fault(frame.body)
    assert isinstance(fault, Unimplemented)
    assert fault.started is Started.NO


def test_an_end_says_how_long_the_function_ran(serve: Start) -> None:
    guest = serve("import time\ndef nap() -> None:\n    time.sleep(0.03)\n")
    assert guest.answer(guest.start("nap")).amount >= 30_000
