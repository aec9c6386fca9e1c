from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import pytest

from dragoman.core.call import Call, Codec
from dragoman.core.fault import DataLoss, Fault, InvalidArgument, Unimplemented, WorkerLost
from dragoman.wire.frame import Kind
from tests.workers.conftest import Open
from tests.workers.peer import Peer, answer_of, make_call


class Given:
    """An input that gives what it is told, and then ends or fails."""

    def __init__(self, bodies: Iterable[bytes], fault: Exception | None = None) -> None:
        self.bodies = bodies
        self.fault = fault
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[tuple[Codec, bytes]]:
        for body in self.bodies:
            self.taken += 1
            yield Codec.JSON, body
        if self.fault is not None:
            raise self.fault


def feeding(given: Given, input_stream: str = "values") -> Call:
    """A call with an input stream."""
    call = make_call()
    call.target = replace(call.target, input_stream=input_stream)
    call.input = given
    return call


async def frames_of(peer: Peer, kind: Kind, count: int) -> list[bytes]:
    """The bodies of the next frames of a kind."""
    return [(await peer.next(kind)).body for _ in range(count)]


async def test_items_and_then_the_end_follow_the_call(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(feeding(Given([b"1", b"2"])))
    frame = await peer.call()
    assert await frames_of(peer, Kind.ITEM, 2) == [b"1", b"2"]
    assert (await peer.next(Kind.END)).body == b""
    peer.answer(frame, b"3")
    assert (await pending).body == b"3"
    assert not peer.worker.feeders


async def test_an_item_is_taken_only_when_there_is_credit_for_it(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    given = Given([bytes(200_000)] * 10)
    pending = here.pool(feeding(given))
    frame = await peer.call()
    await frames_of(peer, Kind.ITEM, 2)
    assert given.taken == 2
    peer.send(peer.connection.consumed(frame.call, 200_000))
    await frames_of(peer, Kind.ITEM, 1)
    peer.answer(frame)
    await pending
    assert given.taken < 10


@pytest.mark.parametrize(
    ("raised", "kind"), [(DataLoss, DataLoss), (ValueError, Fault), (InvalidArgument, InvalidArgument)]
)
async def test_an_input_that_fails_fails_the_call(shop: Open, raised: type[Exception], kind: type[Fault]) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(feeding(Given([b"1"], raised("it broke"))))
    frame = await peer.call()
    assert isinstance(await answer_of(pending), kind)
    assert (await peer.next(Kind.CANCEL)).call == frame.call


async def test_an_item_past_what_the_worker_accepts_fails_the_call(shop: Open) -> None:
    here = shop()
    await here.hire()
    fault = await answer_of(here.pool(feeding(Given([bytes(70 << 20)]))))
    assert isinstance(fault, InvalidArgument)
    assert "too large to send" in fault.detail


async def test_a_function_that_takes_no_stream_gets_none(shop: Open) -> None:
    here = shop()
    await here.hire()
    assert isinstance(await answer_of(here.pool(feeding(Given([]), ""))), Unimplemented)


async def test_a_call_whose_input_has_been_touched_is_not_run_again(shop: Open) -> None:
    here = shop()
    peer = await here.hire()
    pending = here.pool(feeding(Given([b"1"])))
    await peer.call()
    await frames_of(peer, Kind.ITEM, 1)
    peer.hang_up()
    assert isinstance(await answer_of(pending), WorkerLost)
    assert not peer.worker.feeders
