"""Kafka: a member of a consumer group, which commits what has been handled, and no more.

Messages with a key are handled one after the other, key by key; those without one in any order. A partition is read on
while its oldest message is still in hand, up to a bound; past it the partition is paused. Before a partition goes to
another member, what is in hand of it has a moment to end.

A place is a topic. Topics that are not there are made, with as many partitions and copies as the cluster gives them.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import aiokafka  # pyright: ignore[reportMissingTypeStubs] - it has none
from aiokafka import abc, admin, errors  # pyright: ignore[reportMissingTypeStubs] - as above
from aiokafka.coordinator.assignors.sticky import (  # pyright: ignore[reportMissingTypeStubs] - as above
    sticky_assignor,
)

from dragoman.core.units import format_size
from dragoman.queues.address import address
from dragoman.queues.broker import BrokerLost
from dragoman.queues.headers import misfit
from dragoman.queues.offsets import Offsets
from dragoman.queues.records import PORT, connecting, read, written
from dragoman.queues.sender import Sender, seconds_for
from dragoman.queues.within import within

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence

    from dragoman.core.clock import Clock
    from dragoman.core.fault import Fault
    from dragoman.queues.broker import Done, Unfit
    from dragoman.queues.message import Message, Outgoing
    from dragoman.queues.options import QueueOptions

logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # else what we tell is printed a second time

Changed: TypeAlias = "Callable[[Iterable[Any]], Awaitable[None]]"
Partition = aiokafka.TopicPartition

ANSWER_S = 10.0
"""Longer than a cluster takes to choose a new leader; past it the cluster is taken for lost."""
JOIN_S_MORE = 30.0
"""A member may join only when those that died are given up, and those that live have ended what they had in hand."""
CLOSE_S = 2.0
SESSION_S_MIN, SESSION_S_MAX = 6.0, 1800.0
"""What brokers allow, unless they are told otherwise."""
HEARTBEATS = 3
"""In the time of a session: two of them may be late."""
POLL_S = 1.0
AHEAD_MAX, AHEAD_GO_ON = 10_000, 5_000
"""Messages of one partition past its oldest in hand: what is done again at most when a host has died."""
FETCH_BYTES = 16 * 1024 * 1024
"""What is fetched ahead at most, by one message more: ten batches of large messages."""
REQUEST_BYTES = 128 * 1024 * 1024
"""Past what any broker takes, so that it says itself how much that is."""
IDLE_MS = 2**31 - 1
"""A host that fetches nothing for long is busy, not dead: heartbeats tell."""


class Held(NamedTuple):
    """What settles a message: where it stands in its log."""

    partition: Any
    offset: int


class Kafka:
    """One topic on one cluster."""

    delays = False

    def __init__(self, options: QueueOptions, consumer: str, clock: Clock) -> None:  # noqa: ARG002 - it tells no time
        self._options = options
        self._name = f"dragoman-{options.name}-{consumer}"
        self._address = address(options.url, PORT)
        self._connecting: Mapping[str, Any] = {}
        self._consumer: Any = None
        self._producer: Any = None
        self._broken = True
        self._logs: dict[Any, Offsets] = {}
        self._sender = Sender(self._publish)
        self._trouble = errors.KafkaError()
        self._settled = asyncio.Event()
        self._leaving: set[asyncio.Future[Any]] = set()

    async def open(self) -> None:
        """Connect, make topics that are missing, and join the group. A member that is whole stays one."""
        if self._broken:
            await self.close()
        async with self._asking():
            self._connecting = connecting(self._options.url)
            await self._make_topics()
        if not self._broken:
            return
        session_s = self._session_s()
        async with self._asking(ANSWER_S + session_s + self._options.lease_s + JOIN_S_MORE):
            self._producer = await self._started()
            if self._options.source:
                self._consumer = self._member(session_s)
                self._consumer.subscribe([self._options.source], listener=_Rebalances(self._revoked, self._assigned))
                await self._consumer.start()
        self._broken = False

    async def receive(self, count: int) -> list[Message]:
        """Wait for messages."""
        while True:
            if self._broken:
                raise BrokerLost(f"{self._address}: not connected")
            try:
                batches = await self._consumer.getmany(timeout_ms=int(POLL_S * 1000), max_records=count)
            except errors.KafkaError as error:
                raise self._failed(error) from None
            messages = [message for batch in batches.values() for record in batch if (message := self._take(record))]
            if messages:
                return messages

    async def hold(self) -> None:
        """Do nothing: a partition is ours until we leave, and what was not received stands where it did."""

    async def finish(self, done: Sequence[Done]) -> Sequence[Unfit]:
        """Send, each confirmed, and commit as far as everything before is handled."""
        live = [each for each in done if each.message is None or self._holds(each.message)]
        async with self._asking(ANSWER_S + seconds_for(live)):
            unfit = await self._send(live)
            refused = {id(each.done) for each in unfit}
            for each in live:
                if each.message is not None and id(each) not in refused and self._holds(each.message):
                    held = cast("Held", each.message.token)
                    self._logs[held.partition].finish(held.offset)
            try:
                await self._commit()
            finally:
                self._settled.set()  # not before: a partition that goes is read from what is committed
        return unfit

    async def give_back(self, messages: Sequence[Message], delay_s: float = 0.0) -> None:  # noqa: ARG002 - it delays nothing
        """Have messages read again: by this member from where they stand, by any other from what is committed."""
        back: dict[Any, int] = {}
        for message in messages:
            if self._holds(message):
                held = cast("Held", message.token)
                self._logs[held.partition].give_back(held.offset)
                back[held.partition] = min(held.offset, back.get(held.partition, held.offset))
        self._settled.set()
        for partition, offset in back.items():
            if not self._broken and partition in self._consumer.assignment():
                self._consumer.seek(partition, offset)

    async def extend(self, messages: Sequence[Message]) -> None:
        """Do nothing: a partition is ours for as long as heartbeats are sent."""

    async def close(self) -> None:
        """Leave the group; others read on from what is committed."""
        consumer, producer, self._consumer, self._producer = self._consumer, self._producer, None, None
        self._broken = True
        for log in self._logs.values():
            log.owned = False
        await self._stop(consumer, producer)

    # The cluster

    async def _started(self) -> Any:
        producer = aiokafka.AIOKafkaProducer(
            **self._connecting,
            enable_idempotence=True,
            max_request_size=REQUEST_BYTES,
            request_timeout_ms=int(ANSWER_S * 1000),
        )
        try:
            await producer.start()
        except BaseException:
            await self._stop(producer)  # what it has begun, connections too, does not end with it
            raise
        return producer

    async def _stop(self, *clients: Any) -> None:
        stopping = {asyncio.ensure_future(cast("Awaitable[Any]", each.stop())) for each in clients if each}
        # One that does not answer goes on trying to say goodbye for as long as its own timeouts take.
        self._leaving |= stopping
        for each in stopping:
            each.add_done_callback(self._leaving.discard)
        if stopping:
            await asyncio.wait(stopping, timeout=CLOSE_S)

    def _session_s(self) -> float:
        return min(max(self._options.lease_s, SESSION_S_MIN), SESSION_S_MAX)

    def _member(self, session_s: float) -> Any:
        return aiokafka.AIOKafkaConsumer(
            **self._connecting,
            client_id=self._name,
            group_id=self._options.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=int(session_s * 1000),
            heartbeat_interval_ms=int(session_s * 1000 / HEARTBEATS),
            rebalance_timeout_ms=int((session_s + self._options.lease_s) * 1000),
            max_poll_interval_ms=IDLE_MS,
            request_timeout_ms=int((ANSWER_S + session_s + self._options.lease_s) * 1000),
            fetch_max_bytes=FETCH_BYTES,
            # A class for each: aiokafka keeps in the class what one member has had.
            partition_assignment_strategy=(type("Sticky", (sticky_assignor.StickyPartitionAssignor,), {}),),
        )

    async def _make_topics(self) -> None:
        """Make the topics that are not there."""
        options = self._options
        wanted = {place for place in (options.source, options.to, options.faults, options.dead) if place}
        client = admin.AIOKafkaAdminClient(**self._connecting, request_timeout_ms=int(ANSWER_S * 1000))
        try:
            await client.start()
            missing = sorted(wanted.difference(await client.list_topics()))
            if not missing:
                return
            answer: Any = await client.create_topics([_topic(name) for name in missing])
            for name, code, *_ in answer.topic_errors:
                kind = errors.for_code(code)
                if kind not in {errors.NoError, errors.TopicAlreadyExistsError}:
                    raise BrokerLost(
                        f"{self._address}: there is no topic {name}, and none can be made: {kind.__name__}"
                    )
        finally:
            await client.close()

    @asynccontextmanager
    async def _asking(self, within_s: float = ANSWER_S) -> AsyncGenerator[None]:
        """Whatever goes wrong with the cluster here is `BrokerLost`."""
        try:
            async with within(within_s):
                yield
        except BrokerLost:
            raise
        except TimeoutError:
            self._broken = True
            raise BrokerLost(f"{self._address}: no answer within {within_s:.0f}s") from None
        except (errors.KafkaError, OSError) as error:
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> BrokerLost:
        if not isinstance(error, errors.UnknownTopicOrPartitionError | errors.TopicAuthorizationFailedError):
            self._broken = True
        return BrokerLost(f"{self._address}: {type(error).__name__}: {error}")

    # Partitions

    async def _revoked(self, partitions: Iterable[Any]) -> None:
        """Wait for what is in hand of partitions that may go to another member, as long as a lease, as all wait."""
        logs = [self._logs[partition] for partition in partitions if partition in self._logs]
        try:
            async with asyncio.timeout(self._options.lease_s):
                while any(log.held for log in logs):
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            pass
        for log in logs:
            log.owned = False

    async def _assigned(self, partitions: Iterable[Any]) -> None:
        """Go on where others, or this member, have been."""
        for partition in partitions:
            log = self._logs.setdefault(partition, Offsets())
            log.owned = True
            if len(log):
                log.committed(await self._consumer.committed(partition) or 0)
        for partition in [each for each, log in self._logs.items() if not (log.owned or log.held)]:
            del self._logs[partition]

    def _take(self, record: Any) -> Message | None:
        partition = Partition(record.topic, record.partition)
        log = self._logs.setdefault(partition, Offsets())
        if not log.deliver(record.offset):
            return None
        if len(log) >= AHEAD_MAX and partition in self._consumer.assignment():
            self._consumer.pause(partition)
        message = read(record)
        message.token = Held(partition, record.offset)
        return message

    def _holds(self, message: Message) -> bool:
        held = cast("Held", message.token)
        log = self._logs.get(held.partition)
        return log is not None and log.owned and log.holds(held.offset)

    async def _commit(self) -> None:
        if self._consumer is None:
            return
        assigned = self._consumer.assignment()
        positions = {each: log.position() for each, log in self._logs.items() if each in assigned and log.owned}
        offsets = {each: position for each, position in positions.items() if position is not None}
        if not offsets:
            return
        try:
            await self._consumer.commit(offsets)
        except (errors.CommitFailedError, errors.IllegalStateError):
            return  # another member has them, and will be given again what it needs not
        for each, position in offsets.items():
            log = self._logs[each]
            log.committed(position)
            if len(log) <= AHEAD_GO_ON and each in self._consumer.paused():
                self._consumer.resume(each)

    # Sending

    async def _send(self, done: Sequence[Done]) -> list[Unfit]:
        """Send, and have it confirmed; what never will be. Raises `KafkaError`."""
        unfit: list[Unfit] = []
        while True:
            sent = await self._sender.send(done)
            unfit += sent.unfit
            if sent.unfit:
                # aiokafka counts on after what was refused, so that the broker misses a number in all that follows.
                stale, self._producer = self._producer, await self._started()
                await self._stop(stale)
            if not sent.why:
                return unfit
            if not sent.unfit:
                raise self._trouble
            refused = {id(each.done) for each in sent.unfit}
            done = [each for each in done if id(each) not in refused]

    async def _publish(self, place: str, outgoing: Outgoing) -> Fault | str:
        if self._broken:
            raise BrokerLost(f"{self._address}: not connected")
        key, headers = written(outgoing)
        try:
            await self._producer.send_and_wait(place, outgoing.body, key=key, headers=headers)
        except errors.MessageSizeTooLargeError:
            size = format_size(len(outgoing.body))
            return misfit(f"a body of {size} is more than the topic {place} takes (max.message.bytes)")
        except errors.KafkaError as error:
            self._trouble = error
            return type(error).__name__
        return ""


LISTENER: Any = abc.ConsumerRebalanceListener
"""Its methods may be coroutines, though they are not declared so."""


class _Rebalances(LISTENER):
    """Tells of partitions that go and come."""

    def __init__(self, revoked: Changed, assigned: Changed) -> None:
        self._revoked = revoked
        self._assigned = assigned

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Partitions may go to others, or stay."""
        await self._revoked(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Partitions are ours."""
        await self._assigned(assigned)


def _topic(name: str) -> Any:
    topic: Any = admin.NewTopic(name, 1, 1)
    topic.num_partitions = (
        topic.replication_factor
    ) = -1  # as the cluster does by itself; its own check forbids to say so
    return topic
