import pytest

from dragoman.core.fault import Fault
from dragoman.queues.broker import BrokerLost, Done
from dragoman.queues.headers import misfit
from dragoman.queues.message import Message, Outgoing, Sending
from dragoman.queues.sender import BYTES_PER_S, Sender, seconds_for


class Place:
    """Confirms what it is sent, unless it is told otherwise for a body."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.refused: dict[bytes, Fault | str] = {}
        self.sender = Sender(self.publish)

    async def publish(self, place: str, outgoing: Outgoing) -> Fault | str:
        refused = self.refused.get(outgoing.body, "")
        if not refused:
            self.sent.append((place, outgoing.body))
        return refused


def done(*bodies: bytes, place: str = "to", named: bool = True) -> Done:
    sendings = (Sending(place, Outgoing(body, {}, body.decode() if named else "")) for body in bodies)
    return Done(Message("1", b""), tuple(sendings))


async def test_what_was_confirmed_is_not_sent_again_with_what_was_not() -> None:
    place = Place()
    place.refused = {b"full": "it is full"}
    batch = [done(b"a"), done(b"b", b"full"), done()]
    sent = await place.sender.send(batch)
    assert (sent.done, sent.unfit, sent.why) == ([batch[0], batch[2]], [], "it is full")
    place.refused = {}
    assert await place.sender.send(batch) == (batch, [], "")
    assert place.sent == [("to", b"a"), ("to", b"b"), ("to", b"full")]


async def test_what_never_fits_is_told_and_what_went_before_it_is_not_sent_again() -> None:
    place = Place()
    fault = misfit("too large")
    place.refused = {b"large": fault}
    batch = [done(b"letter", b"large"), done(b"a")]
    sent = await place.sender.send(batch)
    assert (sent.done, sent.unfit, sent.why) == ([batch[1]], [(batch[0], fault)], "")
    await place.sender.send([done(b"letter")])
    assert place.sent == [("to", b"letter"), ("to", b"a")]


async def test_what_is_sent_again_later_on_purpose_is_sent() -> None:
    place = Place()
    for _ in range(2):
        await place.sender.send([done(b"a")])
    assert place.sent == [("to", b"a")] * 2


async def test_nothing_without_an_id_is_taken_for_another() -> None:
    place = Place()
    place.refused = {b"full": "it is full"}
    await place.sender.send([done(b"a", named=False), done(b"full", named=False)])
    place.refused = {}
    await place.sender.send([done(b"b", named=False)])
    assert place.sent == [("to", b"a"), ("to", b"b")]


async def test_a_broker_that_is_lost_is_told() -> None:
    async def publish(_: str, outgoing: Outgoing) -> Fault | str:
        raise BrokerLost("cut off")

    with pytest.raises(BrokerLost, match="cut off"):
        await Sender(publish).send([done(b"a")])


def test_what_is_large_may_take_longer() -> None:
    assert seconds_for([done(), done(b"")]) == 0.0
    assert seconds_for([done(bytes(BYTES_PER_S)), done(bytes(BYTES_PER_S), bytes(BYTES_PER_S))]) == 3.0
