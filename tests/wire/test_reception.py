"""What one end takes, where the vectors do not reach."""

from __future__ import annotations

import pytest

from dragoman.core.fault import DataLoss, Unavailable
from dragoman.wire import meta
from dragoman.wire.connection import Connection
from dragoman.wire.fault import ProtocolFault, Reason
from dragoman.wire.frame import CORRUPT, GUEST_BIT, Flag, Frame, Kind, encode
from dragoman.wire.handshake import Hello, Limits, Ready
from dragoman.wire.segment import Region
from dragoman.wire.state import IllegalTransition, Role

HELLO = Hello("test", limits=Limits(credit_bytes=500), features=("input", "segments"), service="shop")
FEEDING = Frame(Kind.CALL, Flag.INPUT, 1, call=1, body=b"{}")
NAMED = meta.encode(function="a.b")


def pair(arena_bytes: int = 4096) -> tuple[Connection, Connection]:
    """A host and a guest that have shaken hands."""
    host, guest = Connection(Role.HOST, arena_bytes=arena_bytes), Connection(Role.GUEST, arena_bytes=arena_bytes)
    guest.receive(host.hello(HELLO))
    host.receive(guest.ready(Ready("python", features=("revoke", "segments"))))
    return host, guest


def feeding() -> tuple[Connection, Connection]:
    """The same with call 1, whose input flows."""
    host, guest = pair()
    guest.receive(host.flagged_header(FEEDING) + FEEDING.body)
    return host, guest


def test_the_items_of_an_input_come_to_its_callee_and_its_credit_goes_back() -> None:
    host, guest = feeding()
    assert host.credit_of(1) == 500
    (item,) = guest.receive(host.item(1, 3, bytes(468)))
    assert (item.kind, item.call, item.body) == (Kind.ITEM, 1, bytes(468))
    with pytest.raises(IllegalTransition, match="without credit"):
        host.item(1, 3, b"")
    (credit,) = host.receive(guest.consumed(1, 468))
    assert (credit.amount, host.credit_of(1)) == (500, 500)
    (stop,) = guest.receive(host.finish(1))
    assert (stop.kind, stop.body) == (Kind.END, b"")
    assert guest.consumed(1, 468) == b""
    host.receive(guest.end(1, 1, b"1"))
    assert (set(host.made), set(guest.taken)) == (set(), set())


def test_an_answered_call_takes_no_more_input_and_its_id_is_free_again() -> None:
    host, guest = feeding()
    late = host.item(1, 1, b"1")
    host.receive(guest.end(1, 1, b"1"))
    assert guest.receive(late) == []
    with pytest.raises(IllegalTransition):
        host.item(1, 1, b"1")
    guest.receive(host.call(1, 0, 1, b"{}"))
    with pytest.raises(ProtocolFault) as caught:
        guest.receive(late)
    assert caught.value.reason == Reason.STREAM


def test_a_corrupt_item_stops_the_call_and_its_answer_is_data_loss() -> None:
    host, guest = feeding()
    good = encode(Frame(Kind.ITEM, Flag.CHECKSUM, 1, call=1, body=b"12"))
    (stop,) = guest.receive(good[:-1] + b"3")
    assert (stop.kind, stop.flags, stop.call) == (Kind.CANCEL, CORRUPT, 1)
    assert guest.receive(host.item(1, 1, b"1") + host.finish(1)) == []
    with pytest.raises(DataLoss, match="the input came with a checksum"):
        guest.end(1, 1, b"1")
    (fault,) = host.receive(guest.fault(1, Unavailable("x")))
    assert b"DATA_LOSS" in fault.body


def test_a_cancel_after_a_corrupt_item_is_answered_as_any() -> None:
    host, guest = feeding()
    guest.receive(encode(Frame(Kind.ITEM, Flag.CHECKSUM, 1, call=1, body=b"12"))[:-1] + b"3")
    guest.receive(host.cancel(1))
    assert host.receive(guest.fault(1, Unavailable("x")))[0].call == 1


def test_regions_are_counted_on_both_sides_until_they_go_back() -> None:
    host, guest = pair()
    region = Region(64, 1000)
    frame = Frame(Kind.CALL, Flag.SEGMENT, 1, call=1, body=region.pack())
    (call,) = guest.receive(host.flagged_header(frame) + frame.body)
    assert (call.flags, call.body, host.lent, guest.borrowed) == (Flag.SEGMENT, region.pack(), 1, 1)
    with pytest.raises(IllegalTransition, match="overlaps"):
        host.flagged_header(frame._replace(call=2))
    assert set(host.made) == {1}
    host.receive(guest.lend_end(1, 1, Region(0, 64)))
    (release,) = host.receive(guest.release(64))
    assert release.kind == Kind.RELEASE
    assert (host.lent, guest.borrowed, host.borrowed) == (0, 0, 1)
    with pytest.raises(ProtocolFault, match="no region is lent"):
        guest.release(64)


def test_regions_need_both_sides_and_arenas() -> None:
    host, guest = pair(arena_bytes=0)
    assert (host.segments, guest.segments) == (False, False)
    with pytest.raises(IllegalTransition, match="did not agree"):
        host.flagged_header(Frame(Kind.CALL, Flag.SEGMENT, 1, call=1, body=Region(0, 64).pack()))
    guest.receive(host.call(1, 0, 1, b"{}"))
    with pytest.raises(IllegalTransition, match="did not agree"):
        guest.lend_end(1, 1, Region(0, 64))
    host.receive(guest.end(1, 1, b"1"))


def test_a_region_that_comes_in_one_read_with_ready_is_refused_where_that_did_not_offer_it() -> None:
    host, guest = Connection(Role.HOST, arena_bytes=4096), Connection(Role.GUEST)
    guest.receive(host.hello(HELLO))
    ready = guest.ready(Ready("python"))
    call = encode(Frame(Kind.CALL, Flag.SEGMENT, 1, call=GUEST_BIT, meta=NAMED, body=Region(0, 64).pack()))
    with pytest.raises(ProtocolFault) as caught:
        host.receive(ready + call)
    assert caught.value.reason == Reason.SEGMENT
    assert [frame.kind for frame in caught.value.frames] == [Kind.READY]


@pytest.mark.parametrize("phase", ["greeting", "open"])
def test_a_client_may_just_close_between_two_frames(phase: str) -> None:
    server, client = Connection(Role.SERVER), Connection(Role.CLIENT)
    client.receive(server.hello(HELLO))
    if phase == "open":
        server.receive(client.ready(Ready("go")))
    server.eof()
    server.receive(b"12")
    with pytest.raises(ProtocolFault, match="inside a frame"):
        server.eof()


def test_a_client_offers_nothing_and_asks_for_input_only_where_it_is_taken() -> None:
    server, client = Connection(Role.SERVER), Connection(Role.CLIENT)
    client.receive(server.hello(HELLO._replace(features=())))
    with pytest.raises(ValueError, match="a client offers revoke"):
        client.ready(Ready("go", features=("revoke",)))
    server.receive(client.ready(Ready("go")))
    with pytest.raises(IllegalTransition, match="input streams"):
        client.flagged_header(FEEDING._replace(call=GUEST_BIT, meta=NAMED))


def test_what_names_the_regions_of_a_stream_costs_no_credit_for_good() -> None:
    host, guest = feeding()
    for _ in range(100):  # 16 bytes each, three times the window
        region = host.room(468)
        assert region is not None
        (item,) = guest.receive(host.lend_item(1, 3, region))
        assert item.flags & Flag.SEGMENT
        host.receive(guest.release(region.offset))
        credit = guest.consumed(1, 468)
        assert credit
        host.receive(credit)
    assert host.credit_of(1) == 500
