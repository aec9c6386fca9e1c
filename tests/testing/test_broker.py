import pytest

from dragoman.queues.broker import Broker, BrokerLost, Done
from dragoman.queues.message import Outgoing, Sending
from dragoman.testing.broker import MemoryBroker


def as_port(broker: MemoryBroker) -> Broker:
    return broker


async def test_a_message_is_delivered_until_it_is_finished() -> None:
    broker = MemoryBroker()
    name = broker.send(b"1")
    (message,) = await as_port(broker).receive(10)
    await broker.give_back([message])
    (again,) = await broker.receive(10)
    assert (again.id, again.deliveries) == (name, 2)
    done = Done(again, (Sending("out", Outgoing(b"2")),))
    await broker.finish([done])
    await broker.finish([done])
    assert broker.handled == [name]
    assert [each.body for each in broker.places["out"]] == [b"2"]


async def test_what_is_neither_finished_nor_given_back_is_there_after_it_was_closed() -> None:
    broker = MemoryBroker()
    broker.send(b"1")
    await broker.receive(1)
    await broker.close()
    assert broker.waiting == 1


async def test_what_is_lost_fails_until_it_is_not() -> None:
    broker = MemoryBroker()
    broker.lose("cut off")
    with pytest.raises(BrokerLost, match="cut off"):
        await broker.open()
    broker.lose("")
    await broker.open()
    assert broker.is_open
