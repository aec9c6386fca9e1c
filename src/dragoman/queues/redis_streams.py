"""Redis Streams, on Redis or Valkey 7 and newer: a consumer group, and one step of the server for each batch.

Entries have fields: `body` is the body, every other one a header. A pending entry is its consumer's for as long as that
says so (`extend`); one that was not heard of for a lease is claimed by others, with the number of its deliveries.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from secrets import token_hex
from typing import TYPE_CHECKING, cast

from dragoman.core.fault import OutOfRange, Started
from dragoman.queues.broker import BrokerLost, Unfit
from dragoman.queues.message import NO_HEADERS, Message
from dragoman.queues.redis_link import RedisLink
from dragoman.queues.redis_scripts import EXTEND, FINISH, GIVE_BACK, LEAVE, MAKE, SINCE, TAKE, TIDY
from dragoman.queues.resp import RespError, pack
from dragoman.queues.sender import seconds_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dragoman.core.clock import Clock
    from dragoman.queues.broker import Done
    from dragoman.queues.message import Outgoing
    from dragoman.queues.options import QueueOptions
    from dragoman.queues.redis_scripts import Script
    from dragoman.queues.resp import Reply

BODY = b"body"
FIELDS_MAX = 1000
"""Fields of an entry that is sent: Lua can hand a command some thousands of arguments."""
STEP_BYTES, STEP_COUNT = 4 * 1024 * 1024, 256
"""What one step of the server sends at most, about: some milliseconds of its time."""
LOOK_S = 1.0
"""How often the pending entries of others are looked at, and how long the server is waited for at a time."""
TIDY_S = 10.0
GONE_MS = 600_000
"""Consumers that have nothing are forgotten after ten minutes of silence; one that lives is known again at once."""
LEAVE_COUNT = 1000


class RedisStreams:
    """A `Broker`. `consumer` names this host in the group; nobody else, before or after it, has that name."""

    delays = False

    def __init__(
        self, options: QueueOptions, consumer: str, clock: Clock, gone: Callable[[str], bool] = lambda _: False
    ) -> None:
        """`gone` tells of a consumer by its name whether it is gone for certain, so that nobody waits for its lease."""
        self._options = options
        self._gone = gone
        self._stream, self._group = options.source.encode(), options.group.encode()
        self._consumer = consumer.encode()
        self._lease_ms = b"%d" % round(options.lease_s * 1000)
        self._keep = b"%d" % options.keep
        self._now = clock.monotonic
        self._mark: Reply = b""
        self._reading: RedisLink | None = None
        self._asking: RedisLink | None = None
        self._look_at = self._tidy_at = 0.0
        self._claimed: deque[Message] = deque()
        block = b"%d" % round(LOOK_S * 1000)
        self._read = (b"XREADGROUP", b"GROUP", self._group, self._consumer, b"BLOCK", block, b"COUNT")

    async def open(self) -> None:
        """Connect twice, once to wait for entries, and make the group where it is missing. Raises `BrokerLost`."""
        self.cut()
        self._asking = await RedisLink.open(self._options.url)
        if not self._stream:
            return
        self._mark = await self._run(MAKE, self._group, SINCE + token_hex(8).encode())
        self._reading = await RedisLink.open(self._options.url)
        self._look_at = self._now()

    async def receive(self, count: int) -> list[Message]:
        """Entries that were claimed, or else new ones. Raises `BrokerLost`."""
        while True:
            if not self._claimed and self._now() >= self._look_at:
                await self._look(count)
            if self._claimed:
                return [self._claimed.popleft() for _ in range(min(count, len(self._claimed)))]
            command = pack(*self._read, b"%d" % count, b"STREAMS", self._stream, b">")
            reply = await link(self._reading).one(command, LOOK_S)
            if isinstance(reply, list):
                ((_, entries),) = cast("list[tuple[bytes, list[list[Reply]]]]", reply)
                return [self._marked(message_of(entry)) for entry in entries]

    async def hold(self) -> None:
        """Wait for no more entries, and give back those that were claimed. Raises `BrokerLost`."""
        link(self._reading).lose("closed")
        await self.give_back(tuple(self._claimed))
        self._claimed.clear()

    async def finish(self, done: Sequence[Done]) -> Sequence[Unfit]:
        """Acknowledge, and send what is to be sent, in one step. Raises `BrokerLost`."""
        unfit: list[Unfit] = []
        plain: list[bytes] = []
        sending: list[Done] = []
        loose: list[Done] = []
        for each in done:
            if not each.sendings:
                if each.message is not None:
                    plain.append(each.message.id.encode())
            elif any(len(sent.outgoing.headers) > FIELDS_MAX for sent in each.sendings):
                detail = f"an entry has at most {FIELDS_MAX} fields"
                unfit.append(Unfit(each, OutOfRange(detail, started=Started.YES)))
            else:
                (loose if each.message is None else sending).append(each)
        if plain:
            await link(self._asking).one(pack(b"XACK", self._stream, self._group, *plain))
        for batch in batches([each for each in sending if self._known(each)]):
            if await self._send(batch, self._group) == -1:
                # The server has forgotten the group, and with it the messages; not what came of them.
                await self._send(batch, b"")
        for batch in batches([each for each in sending if not self._known(each)]):
            await self._send(batch, b"")
        for batch in batches(loose):
            unfit += await self._add(batch)
        return unfit

    async def give_back(self, messages: Sequence[Message], delay_s: float = 0.0) -> None:
        """Have entries claimed by anybody, at once. Raises `BrokerLost`."""
        unused = 0 if delay_s else 1
        rows = [part for each in messages for part in (each.id.encode(), b"%d" % max(each.deliveries - unused, 0))]
        await self._run(GIVE_BACK, self._group, self._consumer, self._lease_ms, *rows)

    async def extend(self, messages: Sequence[Message]) -> None:
        """Keep entries, and have the server know how often they were tried. Raises `BrokerLost`."""
        rows = [part for each in messages for part in (each.id.encode(), b"%d" % max(each.deliveries, 1))]
        await self._run(EXTEND, self._group, self._consumer, *rows)

    async def close(self) -> None:
        """Give everything back, and be forgotten by the group."""
        if self._reading is not None:
            self._reading.lose("closed")
            with suppress(BrokerLost):
                rest = b"%d" % LEAVE_COUNT
                while await self._run(LEAVE, self._group, self._consumer, self._lease_ms, rest):
                    pass
        self.cut()

    def cut(self) -> None:
        """Let go without a word, as a host that dies would."""
        for each in (self._reading, self._asking):
            if each is not None:
                each.lose("closed")
        self._reading = self._asking = None

    def _marked(self, message: Message) -> Message:
        message.token = self._mark
        return message

    def _known(self, done: Done) -> bool:
        """Whether the group is the one that a message came from, and not another that was made in its place."""
        return done.message is None or done.message.token == self._mark

    async def _look(self, count: int) -> None:
        """Claim what others have left, no more than is wanted now, and tidy up now and then.

        What is claimed and not handed out has nobody who says that it lives: it would be claimed again, and counted.
        """
        now = self._now()
        self._look_at = now + LOOK_S
        asking = link(self._asking)
        rows = await asking.one(
            pack(b"XPENDING", self._stream, self._group, b"IDLE", self._lease_ms, b"-", b"+", b"%d" % count)
        )
        deliveries = {row[0]: row[3] for row in cast("list[tuple[bytes, bytes, int, int]]", rows)}
        if deliveries:
            claim = (b"XCLAIM", self._stream, self._group, self._consumer, self._lease_ms, *deliveries)
            for entry in cast("list[list[Reply] | None]", await asking.one(pack(*claim))):
                if entry is not None:
                    self._claimed.append(self._marked(message_of(entry, deliveries[cast("bytes", entry[0])] + 1)))
        await self._take(asking, count)
        if len(deliveries) >= count or len(self._claimed) >= count:
            self._look_at = now  # there are more
        if now >= self._tidy_at:
            self._tidy_at = now + (LOOK_S if self._options.trim else TIDY_S)
            await self._run(TIDY, self._group, b"%d" % GONE_MS, b"1" if self._options.trim else b"0")

    async def _take(self, asking: RedisLink, count: int) -> None:
        """Claim what consumers have that are gone, until there are so many."""
        rows = await asking.one(pack(b"XINFO", b"CONSUMERS", self._stream, self._group))
        for row in cast("list[list[Reply]]", rows):
            if (left := count - len(self._claimed)) < 1:
                return
            fields = dict(zip(row[::2], row[1::2], strict=True))
            name = cast("bytes", fields[b"name"])
            if fields[b"pending"] and name != self._consumer and self._gone(name.decode("utf-8", "replace")):
                taken = await self._run(TAKE, self._group, name, self._consumer, b"%d" % left)
                for entry, deliveries in cast("list[tuple[list[Reply], int]]", taken):
                    self._claimed.append(self._marked(message_of(entry, deliveries)))

    async def _send(self, done: Sequence[Done], group: bytes) -> Reply:
        """Send, and acknowledge in the group if one is given; -1 where there is no such group."""
        places: dict[str, int] = {}
        rows: list[bytes] = []
        for message, sendings in done:
            rows += (message.id.encode() if message is not None else b"", b"%d" % len(sendings))
            for place, outgoing in sendings:
                number = places.setdefault(place, len(places) + 2)
                fields = fields_of(outgoing)
                rows += (b"%d" % number, b"%d" % len(fields))
                rows += fields
        return await self._run(FINISH, group, self._keep, *rows, places=places, more_s=seconds_for(done))

    async def _add(self, done: Sequence[Done]) -> Sequence[Unfit]:
        """Send what answers no message, each by itself: so any user will do that may add, and a refusal is its own."""
        asking = link(self._asking)
        keep = (b"MAXLEN", b"~", self._keep) if self._options.keep else ()
        rows = [(each, sent) for each in done for sent in each.sendings]
        commands = (pack(b"XADD", sent.place.encode(), *keep, b"*", *fields_of(sent.outgoing)) for _, sent in rows)
        replies = await asking.ask(b"".join(commands), len(rows), seconds_for(done))
        return [
            Unfit(each, asking.refusal(reply))
            for (each, _), reply in zip(rows, replies, strict=True)
            if isinstance(reply, RespError)
        ]

    async def _run(
        self, script: Script, *arguments: bytes, places: Mapping[str, int] | None = None, more_s: float = 0.0
    ) -> Reply:
        """Run a script on the stream, giving it to the server once. Raises `BrokerLost`."""
        keys = (self._stream, *(place.encode() for place in places or ()))
        rest = (b"%d" % len(keys), *keys, *arguments)
        asking = link(self._asking)
        (reply,) = await asking.ask(pack(b"EVALSHA", script.name, *rest), 1, more_s)
        if isinstance(reply, RespError) and reply.code == "NOSCRIPT":
            (reply,) = await asking.ask(pack(b"EVAL", script.text, *rest), 1, more_s)
        if isinstance(reply, RespError):
            raise BrokerLost(f"{self._options.source or self._options.to}: {reply}")
        return reply


def batches(done: Sequence[Done]) -> Iterator[list[Done]]:
    """In portions that are no more than the server reads in a moment: it does nothing else meanwhile."""
    batch: list[Done] = []
    size = 0
    for each in done:
        batch.append(each)
        size += sum(len(sent.outgoing.body) for sent in each.sendings)
        if size >= STEP_BYTES or len(batch) >= STEP_COUNT:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def link(found: RedisLink | None) -> RedisLink:
    """A link that is open. Raises `BrokerLost` where there is none."""
    if found is None:
        raise BrokerLost("not connected", started=Started.NO)
    return found


def message_of(entry: list[Reply], deliveries: int = 1) -> Message:
    """An entry of a stream as a message."""
    name, fields = cast("tuple[bytes, list[bytes]]", entry)
    if len(fields) == 2 and fields[0] == BODY:  # noqa: PLR2004 - a field and its value
        return Message(name.decode(), fields[1], NO_HEADERS, deliveries)
    found = dict(pairs(fields))
    body = found.pop(BODY, None)
    headers = {key.decode("utf-8", "replace").lower(): value.decode("utf-8", "replace") for key, value in found.items()}
    message = Message(name.decode(), body or b"", headers, deliveries)
    if body is None:
        message.wrong = f"the entry has no field body, only {', '.join(headers)[:200]}"
    return message


def pairs(fields: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Names and values."""
    each = iter(fields)
    return zip(each, each, strict=True)


def fields_of(outgoing: Outgoing) -> list[bytes]:
    """A message as the fields of an entry."""
    fields = [BODY, outgoing.body]
    for name, value in outgoing.headers.items():
        fields += (name.encode("utf-8", "replace"), value.encode("utf-8", "replace"))
    return fields
