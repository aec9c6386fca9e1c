"""What every broker promises, as tests: `CASES`, each a coroutine function of a `Rig`, which raises where it is not so.

@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_it_does_what_brokers_promise(case, rig): await case(rig)
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from dragoman.queues.broker import Done
from dragoman.queues.message import Outgoing, Sending

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from dragoman.queues.broker import Broker
    from dragoman.queues.message import Message

SOON_S = 10.0
"""By when anything is to have happened, on a machine that has much else to do."""


MANY = 20
"""Messages, where there are to be many."""


class Rig(Protocol):
    """A server with one queue, new for each case, and what somebody else does with it.

    `lease_s` is short: after it, and a little, what a host that died had is delivered to another.
    """

    lease_s: float

    def broker(self) -> Broker:
        """One more host of the group, not open yet. The rig closes it at the end."""
        ...

    async def abandon(self, broker: Broker) -> None:
        """Have a host die: its connections end, and it says nothing more."""
        ...

    async def send(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Put a message into the queue, as somebody else's program would."""
        ...

    async def sent(self, place: str) -> Sequence[tuple[bytes, Mapping[str, str]]]:
        """All that is in a place, in order, as somebody else's program sees it."""
        ...


async def take(broker: Broker, count: int) -> list[Message]:
    """Receive so many messages, in as many goes as it takes."""
    found: list[Message] = []
    async with asyncio.timeout(SOON_S):
        while len(found) < count:
            found += await broker.receive(count - len(found))
    return found


async def nothing(broker: Broker, within_s: float = 0.3) -> None:
    """See that there is no message."""
    try:
        async with asyncio.timeout(within_s):
            found = await broker.receive(10)
    except TimeoutError:
        return
    raise AssertionError([(message.id, message.body) for message in found])


async def opened(rig: Rig) -> Broker:
    """A host of the group that is connected."""
    broker = rig.broker()
    await broker.open()
    return broker


async def there(rig: Rig, place: str, count: int) -> Sequence[tuple[bytes, Mapping[str, str]]]:
    """What is in a place, once it is so much."""
    async with asyncio.timeout(SOON_S):
        while len(found := await rig.sent(place)) < count:  # noqa: ASYNC110 - another program has it
            await asyncio.sleep(0.01)
    assert len(found) == count, found
    return found


async def a_message_arrives_as_it_was_sent(rig: Rig) -> None:
    """Its body, whatever bytes those are, and its headers in lower case."""
    broker = await opened(rig)
    await rig.send(bytes(range(256)), {"traceparent": "00-1", "dragoman-timeout": "2s"})
    (message,) = await take(broker, 1)
    assert message.body == bytes(range(256))
    assert message.headers["traceparent"] == "00-1"
    assert message.headers["dragoman-timeout"] == "2s"
    assert message.deliveries in (0, 1)
    assert message.id


async def what_was_there_before_is_received_and_ids_differ(rig: Rig) -> None:
    """A consumer that comes later misses nothing."""
    broker = await opened(rig)  # makes the queue, where that is a host's to make
    await broker.close()
    for n in range(5):
        await rig.send(b"%d" % n, {})
    messages = await take(await opened(rig), 5)
    assert [message.body for message in messages] == [b"0", b"1", b"2", b"3", b"4"]
    assert len({message.id for message in messages}) == len(messages)


async def no_more_is_received_than_was_asked_for(rig: Rig) -> None:
    """And what is left comes with the next."""
    broker = await opened(rig)
    for n in range(10):
        await rig.send(b"%d" % n, {})
    async with asyncio.timeout(SOON_S):
        first = await broker.receive(3)
    assert 1 <= len(first) <= 3  # noqa: PLR2004 - as it says
    await take(broker, 10 - len(first))


async def what_is_finished_is_sent_and_does_not_come_again(rig: Rig) -> None:
    """Its results are where they belong, with their headers."""
    broker = await opened(rig)
    for n in range(3):
        await rig.send(b"%d" % n, {})
    messages = await take(broker, 3)
    results = [Outgoing(b"r" + each.body, {"correlation-id": each.id}, f"{each.id}.result") for each in messages]
    done = [Done(each, (Sending("results", result),)) for each, result in zip(messages, results, strict=True)]
    assert list(await broker.finish(done)) == []
    found = await there(rig, "results", 3)
    assert [body for body, _ in found] == [b"r0", b"r1", b"r2"]
    assert [headers["correlation-id"] for _, headers in found] == [each.id for each in messages]
    await rig.abandon(broker)
    await nothing(await opened(rig), rig.lease_s * 2 + 0.5)


async def what_is_sent_by_itself_is_sent(rig: Rig) -> None:
    """A message that answers none."""
    broker = await opened(rig)
    await broker.finish([Done(None, (Sending("results", Outgoing(b"1", {"a": "b"}, "x")),))])
    ((body, headers),) = await there(rig, "results", 1)
    assert body == b"1"
    assert headers["a"] == "b"


async def what_a_host_has_when_it_closes_goes_to_another(rig: Rig) -> None:
    """At once, or soon."""
    first, second = await opened(rig), await opened(rig)
    await rig.send(b"1", {})
    got = await one_of(first, second)
    other = second if got is first else first
    await got.close()
    (message,) = await take(other, 1)
    assert message.body == b"1"


async def what_has_come_to_a_host_that_holds_goes_to_another(rig: Rig) -> None:
    """Though the host lives on, and ends what it has received."""
    first = await opened(rig)
    for n in range(8):
        await rig.send(b"%d" % n, {})
    async with asyncio.timeout(SOON_S):
        held = await first.receive(4)
    asking = asyncio.ensure_future(first.receive(4))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait((asking,))
    held += [] if asking.cancelled() else asking.result()
    await first.hold()
    await rig.send(b"8", {})
    second = await opened(rig)
    missing = {b"%d" % n for n in range(9)} - {each.body for each in held}
    while missing:
        missing -= {each.body for each in await take(second, 1)}
    await first.finish([Done(each, (Sending("results", Outgoing(b"r", {}, each.id)),)) for each in held])
    await there(rig, "results", len(held))


async def what_a_host_has_when_it_dies_goes_to_another_and_is_counted(rig: Rig) -> None:
    """When its connection has ended, or its lease."""
    first = await opened(rig)
    await rig.send(b"1", {})
    await take(first, 1)
    await rig.abandon(first)
    second = await opened(rig)
    (message,) = await take(second, 1)
    assert message.body == b"1"
    assert message.deliveries in (0, 2)


async def what_is_given_back_comes_again(rig: Rig) -> None:
    """To this host or another."""
    broker = await opened(rig)
    await rig.send(b"1", {"a": "b"})
    (message,) = await take(broker, 1)
    await broker.give_back([message])
    (again,) = await take(broker, 1)
    assert (again.body, again.headers["a"], again.id) == (b"1", "b", message.id)
    await broker.finish([Done(again)])


async def what_is_extended_stays_with_its_host(rig: Rig) -> None:
    """However long it takes."""
    first = await opened(rig)
    await rig.send(b"1", {})
    messages = await take(first, 1)
    second = await opened(rig)
    waiting = asyncio.ensure_future(second.receive(1))
    for _ in range(6):
        await asyncio.sleep(rig.lease_s / 3)
        await first.extend(messages)
    assert not waiting.done()
    await first.finish([Done(messages[0])])
    await asyncio.sleep(rig.lease_s)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait((waiting,))


async def hosts_of_a_group_share_the_messages(rig: Rig) -> None:
    """Each message goes to one of them."""
    brokers = [await opened(rig), await opened(rig)]
    for n in range(MANY):
        await rig.send(b"%d" % n, {})
    bodies: list[bytes] = []
    handled = asyncio.Event()

    async def work(broker: Broker) -> None:
        while True:
            messages = await broker.receive(2)
            bodies.extend(message.body for message in messages)
            await broker.finish([Done(message) for message in messages])
            if len(bodies) >= MANY:
                handled.set()

    working = [asyncio.ensure_future(work(broker)) for broker in brokers]
    async with asyncio.timeout(SOON_S):
        await handled.wait()
    for each in working:
        each.cancel()
    _, deaf = await asyncio.wait(working, timeout=SOON_S)
    assert not deaf, "whoever is cancelled ends"
    assert sorted(bodies, key=int) == [b"%d" % n for n in range(MANY)]


async def one_of(first: Broker, second: Broker) -> Broker:
    """Which of two hosts has received the message that there is."""
    waiting = {asyncio.ensure_future(each.receive(1)): each for each in (first, second)}
    done, _ = await asyncio.wait(waiting, timeout=SOON_S, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    return waiting[done.pop()]


CASES: tuple[Callable[[Rig], Awaitable[None]], ...] = (
    a_message_arrives_as_it_was_sent,
    what_was_there_before_is_received_and_ids_differ,
    no_more_is_received_than_was_asked_for,
    what_is_finished_is_sent_and_does_not_come_again,
    what_is_sent_by_itself_is_sent,
    what_a_host_has_when_it_closes_goes_to_another,
    what_has_come_to_a_host_that_holds_goes_to_another,
    what_a_host_has_when_it_dies_goes_to_another_and_is_counted,
    what_is_given_back_comes_again,
    what_is_extended_stays_with_its_host,
    hosts_of_a_group_share_the_messages,
)
