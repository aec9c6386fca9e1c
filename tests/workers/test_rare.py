import asyncio

import pytest

from dragoman.core.event import Event, Log, Progress
from dragoman.core.fault import Fault, StartFailed, WorkerLost
from dragoman.wire.frame import Frame, Kind, encode
from dragoman.wire.handshake import Hello
from dragoman.wire.report import dump_log, dump_progress
from dragoman.workers.rare import PONGS_MAX
from tests.workers.conftest import Open
from tests.workers.peer import Peer, answer_of, make_call, until


async def test_the_handshake_ends_with_what_the_guest_offers(shop: Open) -> None:
    peer = await shop().hire("progress")
    assert peer.worker.connection.said_ready is not None
    assert peer.worker.connection.said_ready.features == ("progress",)


async def test_a_guest_that_cannot_start_says_why(shop: Open) -> None:
    here = shop()
    peer = Peer(here.pool)
    handshake = peer.worker.rare.greet(Hello("test/0"))
    await peer.next(Kind.HELLO)
    peer.send(peer.connection.event(dump_log("importing", stream="stderr"), 0))
    peer.send(peer.connection.fault(0, StartFailed("no such module", traceback="Traceback …")))
    with pytest.raises(StartFailed, match="no such module") as fault:
        await asyncio.wait_for(handshake, 5)
    assert fault.value.traceback == "Traceback …"
    assert list(peer.worker.rare.said) == ["importing"]
    peer.close()


async def test_what_a_call_says_reaches_journal_and_caller(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    call = make_call()
    heard: list[Event] = []
    call.on_event = heard.append
    pending = here.pool(call)
    frame = await peer.call()
    peer.send(peer.connection.event(dump_log("hello", fields={"n": 1}), frame.call))
    peer.send(peer.connection.event(dump_progress(0.5, "half"), frame.call))
    peer.send(peer.connection.event(dump_log("by the way"), 0))
    peer.answer(frame)
    assert await answer_of(pending) == b"1"
    assert heard == [Log("hello", fields={"n": 1}), Progress(0.5, "half")]
    assert [said.call for said in here.journal.said] == [call.id, call.id, 0]


async def test_a_listener_that_raises_harms_nobody(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    call = make_call()

    def broken(_: object) -> None:
        raise ZeroDivisionError

    call.on_event = broken
    pending = here.pool(call)
    frame = await peer.call()
    peer.send(peer.connection.event(dump_log("hello"), frame.call) + peer.connection.end(frame.call, 1, b"2"))
    assert await answer_of(pending) == b"2"


async def test_an_event_that_cannot_be_read_is_a_broken_protocol(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call())
    frame = await peer.call()
    peer.begin(frame)
    peer.send(encode(Frame(Kind.EVENT, codec=1, call=frame.call, body=b"{nonsense")))
    fault = await answer_of(pending)
    assert isinstance(fault, WorkerLost)
    assert "broke the protocol" in fault.detail
    assert peer.child.killed


async def test_pings_are_answered_both_ways(shop: Open) -> None:
    peer = await shop().hire()
    peer.send(peer.connection.ping(b"there?"))
    assert (await peer.next(Kind.PONG)).body == b"there?"
    rare = peer.worker.rare
    rare.ping(100.0, 10.0)
    rare.ping(100.0, 10.0)
    assert rare.silent_s(103.0) == 3.0
    rare.excuse(102.0)
    assert rare.silent_s(103.0) == 1.0
    ping = await peer.next(Kind.PING)
    peer.send(peer.connection.pong(ping.body))
    await until(lambda: rare.silent_s(200.0) == 0.0)


async def test_a_guest_that_asks_and_never_listens_is_ended(shop: Open) -> None:
    peer = await shop().hire()
    peer.worker.channel.send(bytes(8 << 20))
    await until(lambda: peer.worker.channel.blocked)
    for _ in range(PONGS_MAX + 1):
        peer.worker.rare.take(Frame(Kind.PING, body=b"x"))
    assert peer.child.killed


async def test_a_guest_that_gives_up_is_ended_with_its_own_words(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(make_call())
    peer.begin(await peer.call())
    peer.send(peer.connection.fault(0, Fault.internal("out of memory")))
    fault = await answer_of(pending)
    assert isinstance(fault, WorkerLost)
    assert "out of memory" in fault.detail


async def test_a_guest_may_ask_to_leave(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    peer.send(peer.connection.drain())
    await until(lambda: here.crew.gone)
    assert here.crew.gone == ["it asked to leave"]
    await peer.next(Kind.DRAIN)
    assert not here.pool.workers
