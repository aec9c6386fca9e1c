"""Every vector of `proto/vectors`, through the wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from dragoman.wire import meta
from dragoman.wire.connection import Connection
from dragoman.wire.decoder import Decoder
from dragoman.wire.fault import ProtocolFault
from dragoman.wire.frame import FRAME_BYTES_MAX, Flag, Frame, Kind, encode
from dragoman.wire.handshake import load_hello, load_ready, negotiate
from dragoman.wire.report import load_event, load_fault
from dragoman.wire.segment import offset_of, region_of
from dragoman.wire.state import Role

from .vectors import cases, conversations, frame_of

CONVERSATIONS = conversations()


def name_of(case: dict[str, Any]) -> str:
    """The name of a case, for the reports of the tests."""
    return case["name"]


@pytest.mark.parametrize("case", cases("good"), ids=name_of)
def test_a_good_frame_has_these_fields_and_these_bytes(case: dict[str, Any]) -> None:
    data, frame = bytes.fromhex(case["hex"]), frame_of(case["frame"])
    decoder = Decoder()
    decoder.segments = case.get("segments", False)
    assert decoder.feed(data) == [frame]
    if not case.get("one_way"):
        assert encode(frame) == data


@pytest.mark.parametrize("case", cases("bad-header"), ids=name_of)
@pytest.mark.parametrize("piece_bytes", [1, 7, 1 << 20])
def test_a_bad_header_is_refused_for_its_reason_however_it_arrives(case: dict[str, Any], piece_bytes: int) -> None:
    data = bytes.fromhex(case["hex"])
    decoder = Decoder(case.get("limit", FRAME_BYTES_MAX))
    decoder.segments = case.get("segments", False)
    with pytest.raises(ProtocolFault) as caught:
        feed(decoder, data, piece_bytes)
    assert caught.value.reason == case["fault"]


@pytest.mark.parametrize("case", [*cases("meta"), *cases("bad-meta-optional")], ids=name_of)
def test_meta_is_read_or_refused(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["meta"])
    if "fault" in case:
        with pytest.raises(ProtocolFault) as caught:
            meta.decode(data)
        assert caught.value.reason == case["fault"]
        return
    entries, wanted = meta.decode(data), dict(case["entries"])
    trace = wanted.pop("trace", None)
    assert entries._replace(trace=None) == meta.Entries(**wanted)
    assert (entries.trace is None) == (trace is None)
    if entries.trace is not None:
        assert entries.trace.trace_id.hex() == trace["trace_id"]
        assert entries.trace.span_id.hex() == trace["span_id"]
        assert (entries.trace.flags, entries.trace.state) == (trace["flags"], trace["state"])


def read_body(kind: str, body: bytes) -> None:
    """Read the JSON body of a frame of a kind, as its receiver does."""
    match kind:
        case "HELLO":
            negotiate(load_hello(body).versions)
        case "READY":
            load_ready(body)
        case "FAULT":
            load_fault(body)
        case _:
            load_event(body)


@pytest.mark.parametrize("case", cases("bodies"), ids=name_of)
def test_a_json_body_is_taken_or_refused(case: dict[str, Any]) -> None:
    body = case["body"].encode() if "body" in case else bytes.fromhex(case["body_hex"])
    if "fault" not in case:
        read_body(case["kind"], body)
        return
    with pytest.raises(ProtocolFault) as caught:
        read_body(case["kind"], body)
    assert caught.value.reason == case["fault"]


def send_call(connection: Connection, frame: Frame) -> bytes:
    """Send a CALL, of any sort."""
    if frame.flags & (Flag.INPUT | Flag.SEGMENT):
        return connection.flagged_header(frame) + frame.body
    header = connection.stream_header if frame.flags & Flag.STREAM else connection.call_header
    return header(frame.call, frame.function, frame.codec, len(frame.body), frame.amount, frame.meta) + frame.body


def send_item(connection: Connection, frame: Frame) -> bytes:
    """Send an ITEM."""
    if frame.flags & Flag.SEGMENT:
        return connection.lend_item(frame.call, frame.codec, region_of(frame.body))
    return connection.item(frame.call, frame.codec, frame.body)


def send_end(connection: Connection, frame: Frame) -> bytes:
    """Send an END: of the input of this side's own call, or the answer."""
    if frame.call in connection.made:
        return connection.finish(frame.call)
    if frame.flags & Flag.SEGMENT:
        return connection.lend_end(frame.call, frame.codec, region_of(frame.body), frame.amount)
    return connection.end(frame.call, frame.codec, frame.body, frame.amount)


def unstarted(frame: Frame) -> bool:
    """Whether the frame revokes, or answers that."""
    return bool(frame.flags & Flag.UNSTARTED)


SEND: dict[int, Callable[[Connection, Frame], bytes]] = {
    Kind.HELLO: lambda end, frame: end.hello(load_hello(frame.body)),
    Kind.READY: lambda end, frame: end.ready(load_ready(frame.body)),
    Kind.CALL: send_call,
    Kind.ITEM: send_item,
    Kind.END: send_end,
    Kind.FAULT: lambda end, frame: end.fault(
        frame.call, load_fault(frame.body), frame.amount, unstarted=unstarted(frame)
    ),
    Kind.CANCEL: lambda end, frame: end.cancel(frame.call, unstarted=unstarted(frame)),
    Kind.CREDIT: lambda end, frame: end.credit(frame.call, frame.amount),
    Kind.EVENT: lambda end, frame: end.event(frame.body, frame.call),
    Kind.PING: lambda end, frame: end.ping(frame.body),
    Kind.PONG: lambda end, frame: end.pong(frame.body),
    Kind.DRAIN: lambda end, _: end.drain(),
    Kind.BYE: lambda end, _: end.bye(),
    Kind.RELEASE: lambda end, frame: end.release(offset_of(frame.body)),
}


def feed(end: Decoder | Connection, data: bytes, piece_bytes: int) -> list[Frame]:
    """Give bytes to one end in pieces; return all that comes out."""
    take = end.feed if isinstance(end, Decoder) else end.receive
    return [frame for at in range(0, len(data), piece_bytes) for frame in take(data[at : at + piece_bytes])]


def holds(found: Any, wanted: Any) -> None:
    """Compare a JSON body with a vector's, as far as that goes."""
    if not isinstance(wanted, dict):
        assert found == wanted
        return
    for key, value in cast("dict[str, Any]", wanted).items():
        holds(found[key], value)


def agree(sent: bytes, wanted: Frame) -> None:
    """Compare what was sent with a vector: JSON by value and as far as the vector goes, all else exactly."""
    decoder = Decoder()
    decoder.segments = True
    (frame,) = decoder.feed(sent)
    if wanted.kind in {Kind.HELLO, Kind.READY, Kind.FAULT}:
        holds(json.loads(frame.body), json.loads(wanted.body))
        frame = frame._replace(body=wanted.body)
    assert frame == wanted._replace(flags=wanted.flags & ~Flag.CHECKSUM)


def looks_like(frame: Frame, wanted: dict[str, Any]) -> None:
    """Compare the few fields that a `result` or an `answer` names."""
    assert (Kind(frame.kind).name, f"{frame.call:x}") == (wanted["kind"], wanted.get("call", "0"))
    assert frame.body.hex() == wanted.get("body_hex", frame.body.hex())
    for key in wanted.keys() & {"code", "started"}:
        assert json.loads(frame.body)[key] == wanted[key]


def receive(connection: Connection, step: dict[str, Any], piece_bytes: int) -> None:
    """Receive one step in pieces, and compare what comes of it."""
    data = bytes.fromhex(step["hex"])
    if "fault" in step:
        with pytest.raises(ProtocolFault) as caught:
            feed(connection, data, piece_bytes)
        assert caught.value.reason == step["fault"]
        with pytest.raises(ProtocolFault):
            connection.receive(b"")
        return
    frames = feed(connection, data, piece_bytes)
    result = step.get("result")
    if result is None:
        assert frames == [frame_of(step["frame"])]
    elif result == "dropped":
        assert frames == []
    else:
        looks_like(frames[0], result)
    answers = Decoder().feed(connection.answers())
    assert len(answers) == ("answer" in step)
    for answer in answers:
        looks_like(answer, step["answer"])


@pytest.mark.parametrize(
    ("name", "view"), [(name, view) for name, talk in CONVERSATIONS.items() for view in talk["views"]]
)
@pytest.mark.parametrize("piece_bytes", [1 << 20, 37, 1])
def test_a_conversation_goes_as_written(name: str, view: str, piece_bytes: int) -> None:
    talk = CONVERSATIONS[name]
    role = {"host": Role.SERVER, "guest": Role.CLIENT}[view] if talk.get("peer") == "client" else Role(view)
    connection = Connection(role, arena_bytes=talk.get("arena_bytes", 0))
    for step in talk["steps"]:
        if step["from"] != view:
            receive(connection, step, piece_bytes)
        elif "fault" not in step:
            frame = frame_of(step["frame"])
            agree(SEND[frame.kind](connection, frame), frame)
