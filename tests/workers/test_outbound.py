import asyncio

import pytest

from dragoman.core.call import Call, Codec, Priority, Reply
from dragoman.core.fault import Cancelled, NotFound, OutOfRange
from dragoman.wire import meta
from dragoman.wire.frame import GUEST_BIT, Kind
from dragoman.workers.outbound import GuestCall
from dragoman.workers.stream import ReplyStream
from tests.workers.conftest import Open
from tests.workers.peer import Peer, Shop, make_call, until


def ask(peer: Peer, call: int = 1, ms: int = 0, *, stream: bool = True) -> int:
    head = meta.encode(function="t.g", depth=2)
    call |= GUEST_BIT
    header = peer.connection.stream_header if stream else peer.connection.call_header
    peer.send(header(call, 0, Codec.JSON | Codec.MSGPACK << 4, 2, ms, head) + b"[]")
    return call


async def asking(shop: Open) -> tuple[Shop, Peer, int]:
    here = shop()
    peer = await here.hire()
    call = ask(peer, ms=1500)
    await until(lambda: here.asked)
    return here, peer, call


async def test_a_guests_call_is_routed_by_its_name(shop: Open) -> None:
    here, peer, call = await asking(shop)
    asked = here.asked[0]
    assert (asked.function, asked.body, asked.codec, asked.reply_codec) == ("t.g", b"[]", Codec.JSON, Codec.MSGPACK)
    assert (asked.remaining_s, asked.depth) == (1.5, 2)
    assert not peer.worker.lendable
    here.answers[0].resolve(Reply(b"\x07", Codec.MSGPACK))
    end = await peer.next(Kind.END)
    assert (end.call, end.body, end.body_codec) == (call, b"\x07", Codec.MSGPACK)
    await until(lambda: peer.worker.lendable)


async def test_a_fault_comes_back_as_it_is(shop: Open) -> None:
    here, peer, _ = await asking(shop)
    here.answers[0].fail(NotFound("nowhere"))
    fault = peer.fault_of(await peer.next(Kind.FAULT))
    assert isinstance(fault, NotFound)
    assert fault.detail == "nowhere"


async def test_a_stream_comes_back_as_one(shop: Open) -> None:
    here, peer, call = await asking(shop)
    here.answers[0].resolve(Reply(b"", Codec.MSGPACK, stream_of(b"\x01", b"\x02")))
    for body in (b"\x01", b"\x02"):
        item = await peer.next(Kind.ITEM)
        assert (item.call, item.body, item.body_codec) == (call, body, Codec.MSGPACK)
    end = await peer.next(Kind.END)
    assert (end.call, end.body) == (call, b"")
    await until(lambda: peer.worker.lendable)


async def test_a_stream_goes_no_faster_than_the_guest_grants(shop: Open) -> None:
    here, peer, call = await asking(shop)
    item = bytes(60_000)
    here.answers[0].resolve(Reply(b"", Codec.MSGPACK, stream_of(*[item] * 20)))
    fits = -(-peer.connection.limits.credit_bytes // (len(item) + 32))
    for _ in range(fits):
        assert (await peer.next(Kind.ITEM)).body == item
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(peer.next(Kind.ITEM), 0.05)
    for _ in range(fits):
        peer.send(peer.connection.consumed(call, len(item)))
    assert (await peer.next(Kind.ITEM)).body == item


async def test_a_stream_that_the_guest_cancels_is_closed(shop: Open) -> None:
    here, peer, call = await asking(shop)
    stream = ReplyStream(lambda _: None, lambda: None)
    stream.push(b"\x01")
    here.answers[0].resolve(Reply(b"", Codec.MSGPACK, stream))
    await peer.next(Kind.ITEM)
    peer.send(peer.connection.cancel(call))
    assert isinstance(peer.fault_of(await peer.next(Kind.FAULT)), Cancelled)
    await until(lambda: peer.worker.lendable)


async def test_a_stream_comes_back_as_one_array_where_none_was_asked_for(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    ask(peer, stream=False)
    await until(lambda: here.asked)
    here.answers[0].resolve(Reply(b"", Codec.MSGPACK, stream_of(b"\x01", b"\x02")))
    end = await peer.next(Kind.END)
    assert end.body == b"\xdd\x00\x00\x00\x02\x01\x02"


def stream_of(*items: bytes) -> ReplyStream:
    stream = ReplyStream(lambda _: None, lambda: None)
    for item in items:
        stream.push(item)
    stream.end()
    return stream


async def test_a_reply_that_is_too_large_for_the_wire_is_a_fault(shop: Open) -> None:
    here, peer, _ = await asking(shop)
    here.answers[0].resolve(Reply(bytes(65 * 1024 * 1024)))
    assert isinstance(peer.fault_of(await peer.next(Kind.FAULT)), OutOfRange)


async def test_a_guest_that_cancels_or_dies_stops_what_it_asked_for(shop: Open) -> None:
    here, peer, call = await asking(shop)
    ask(peer, 2)
    await until(lambda: len(here.asked) == 2)
    first, second = here.answers
    first.on_cancel = lambda: first.fail(Cancelled("as asked"))
    second.on_cancel = lambda: second.fail(Cancelled("its caller died"))
    peer.send(peer.connection.cancel(call))
    await until(lambda: first.done)
    assert not second.done
    peer.child.exit(1)
    await until(lambda: second.done)


async def test_an_answer_that_crosses_the_guests_last_frame_is_dropped(shop: Open) -> None:
    here, peer, _ = await asking(shop)
    peer.worker.connection.receive(peer.connection.fault(0, NotFound("leaving")))
    here.answers[0].resolve(Reply(b"1"))
    assert not peer.read()


def tied(caller: Call | None) -> Call:
    call = make_call("g")
    GuestCall("s.g", b"{}", Codec.JSON, Codec.JSON, 0.0, None, 1, caller).tie(call)
    return call


@pytest.mark.parametrize(("who", "caller"), [("10.0.0.1", "10.0.0.1"), ("", "s.f")])
def test_who_calls_a_function_calls_what_that_calls_else_it_is_the_function(who: str, caller: str) -> None:
    outer = make_call("f")
    outer.caller = who
    assert tied(outer).caller == caller
    assert tied(None).caller == ""


@pytest.mark.parametrize(
    ("outer", "own", "priority"),
    [
        (Priority.CRITICAL, Priority.BATCH, Priority.CRITICAL),
        (Priority.BATCH, Priority.NORMAL, Priority.BATCH),
        (Priority.NORMAL, Priority.BATCH, Priority.BATCH),
        (Priority.NORMAL, Priority.NORMAL, Priority.NORMAL),
    ],
)
def test_how_much_a_call_matters_holds_for_the_calls_that_it_makes(
    outer: Priority, own: Priority, priority: Priority
) -> None:
    calling, call = make_call("f"), make_call("g")
    calling.priority, call.priority = outer, own
    GuestCall("s.g", b"{}", Codec.JSON, Codec.JSON, 0.0, None, 1, calling).tie(call)
    assert call.priority == priority


def test_a_guest_may_say_itself_how_much_its_call_matters_and_which_are_the_same() -> None:
    calling, call = make_call("f"), make_call("g")
    calling.priority = Priority.CRITICAL
    said = GuestCall("s.g", b"{}", Codec.JSON, Codec.JSON, 0.0, None, 1, calling, None, "", None, Priority.BATCH, "k")
    said.tie(call)
    assert (call.priority, call.idempotency_key) == (Priority.BATCH, "k")
