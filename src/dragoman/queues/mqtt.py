"""MQTT 5: a member of a shared subscription, QoS 1, whose acknowledgements are sent when results are safe.

aiomqtt acknowledges what it has received, not what was handled; the client beneath it, paho, can be told not to. So
this uses paho's own switch and call for that, through aiomqtt. Acknowledgements leave in the order in which messages
came, as the protocol asks: one that runs long keeps back those after it, and past a bound the server sends no more.

Nothing can be given back in MQTT: what a member has not acknowledged comes again to the same member, when it is back.
So a member's name outlives its process: it is made of the machine's, and a number that no other process there has.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from dragoman.core.fault import Started
from dragoman.core.units import format_size
from dragoman.queues.address import address, asked, tls_of
from dragoman.queues.broker import BrokerLost
from dragoman.queues.headers import misfit
from dragoman.queues.publishes import STRING_BYTES_MAX, read, written
from dragoman.queues.sender import Sender, seconds_for
from dragoman.queues.within import within

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from paho.mqtt.client import Client as Paho
    from paho.mqtt.client import ConnectFlags, MQTTMessage
    from paho.mqtt.reasoncodes import ReasonCode

    from dragoman.core.clock import Clock
    from dragoman.core.fault import Fault
    from dragoman.queues.broker import Done, Unfit
    from dragoman.queues.message import Message, Outgoing
    from dragoman.queues.options import QueueOptions

LOG = logging.getLogger("dragoman.mqtt")
LOG.addHandler(logging.NullHandler())  # what the libraries tell is told by us
LOG.propagate = False

PORT, TLS_PORT = 1883, 8883
ANSWER_S = 10.0
"""For one answer; past it the server is taken for lost."""
CLOSE_S = 1.0
KEEPALIVE_S_MIN, KEEPALIVE_S_MAX = 5, 60
SESSION_S = 7 * 24 * 3600
"""How long a server keeps messages for a member that is away: a week, as finished tasks are kept."""
RECEIVE_MAX = 1024
"""Messages that a server sends ahead of acknowledgements; those that wait for one that runs long are among them."""
UNSURE_MAX = 10_000
"""Messages that wait here though nobody acknowledges them (QoS 0); past it they are dropped, as QoS 0 allows."""
SENT_MAX = 64
"""Messages sent ahead of confirmations, or fewer where the server says so."""
SLOTS_MAX = 256
"""Members of one queue on one machine."""
SLOT_CHARS_MAX = 100
"""Linux takes 107 for the name of a socket."""
REFUSED = 0x80
NEVER = frozenset({0x90, 0x95, 0x99})
"""The topic's name is not valid, the packet too large, the payload not of its format: whenever it is sent again."""
NOTHING = "dragoman/nothing"
"""Nobody has subscribed to it: a question that the server answers after all that was said before."""
RESUME: Any = False
"""Not to start clean, whatever is there from earlier."""


class Entry:
    """One message that is not acknowledged yet; `number` is the server's, 0 for QoS 0, which is never.

    It is `held` by whoever received it, until it is `done` or given back.
    """

    __slots__ = ("done", "held", "message", "number")

    def __init__(self, number: int, message: Message) -> None:
        self.number = number
        self.message = message
        self.held = True
        self.done = False


class Client(aiomqtt.Client):
    """aiomqtt's client, which acknowledges when it is told to, and tells what the server says."""

    def __init__(self, hostname: str, port: int, **said: Any) -> None:
        super().__init__(hostname, port, protocol=aiomqtt.ProtocolVersion.V5, logger=LOG, timeout=ANSWER_S, **said)
        self.pending_calls_threshold = SENT_MAX
        self._client.manual_ack_set(on=True)
        self.received: deque[MQTTMessage] = deque()
        self.wake = asyncio.Event()
        self.resumed = False
        self.allowed: Any = None
        self._answers: dict[int, asyncio.Future[ReasonCode]] = {}

    def watch(self) -> None:
        """Have everybody who waits here hear of the end of the connection."""
        self._disconnected.add_done_callback(self._ended)

    def _ended(self, gone: asyncio.Future[None]) -> None:
        error = None if gone.cancelled() else gone.exception()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(aiomqtt.MqttError(str(error or "the connection was lost")))
        self._answers.clear()
        self.wake.set()

    @property
    def lost(self) -> bool:
        """Whether the connection is gone."""
        return self._disconnected.done()

    @property
    def reason(self) -> str:
        """Why it is."""
        error = self._disconnected.exception() if self.lost and not self._disconnected.cancelled() else None
        return str(error or "the connection was lost")

    def acknowledge(self, number: int) -> None:
        """Tell the server that a message is handled."""
        self._client.ack(number, 1)

    async def send(self, topic: str, body: bytes, properties: Properties) -> ReasonCode:
        """Publish, and wait for what the server says to it."""
        info = self._client.publish(topic, body, 1, False, properties)  # noqa: FBT003 - paho's signature: not retained
        if info.rc:
            raise aiomqtt.MqttCodeError(info.rc, "could not send")
        answer = self._answers[info.mid] = asyncio.get_running_loop().create_future()
        return await answer

    def _on_connect(
        self,
        client: Paho,
        userdata: Any,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.resumed, self.allowed = flags.session_present, properties
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_message(self, client: Paho, userdata: Any, message: MQTTMessage) -> None:  # noqa: ARG002 - aiomqtt's signature
        if message.qos or len(self.received) < UNSURE_MAX:
            self.received.append(message)
            self.wake.set()

    def _on_publish(
        self,
        client: Paho,  # noqa: ARG002 - as above
        userdata: Any,  # noqa: ARG002 - as above
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,  # noqa: ARG002 - as above
    ) -> None:
        answer = self._answers.pop(mid, None)
        if answer is not None and not answer.done():
            answer.set_result(reason_code)


class Mqtt:
    """One topic filter on one server."""

    delays = False

    def __init__(self, options: QueueOptions, consumer: str, clock: Clock) -> None:  # noqa: ARG002 - it tells no time, and its name lasts
        self._options = options
        parts = urlsplit(options.url)
        self._tls = parts.scheme == "mqtts"
        self._query = asked(options.url, "mqtt")
        shared = self._query.get("shared", "yes") == "yes"
        self._topic = f"$share/{options.group}/{options.source}" if shared else options.source
        port = parts.port or (TLS_PORT if self._tls else PORT)
        self._address = address(options.url, port)
        self._host, self._port = parts.hostname or "localhost", port
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._slot: socket.socket | None = None
        self._number = 0
        self._client: Client | None = None
        self._line: deque[Entry] = deque()
        self._earlier: dict[int, Entry] = {}
        self._back: deque[Entry] = deque()
        self._sender = Sender(self._publish)
        self._sending = asyncio.Semaphore(SENT_MAX)
        self._size_max = 0

    async def open(self) -> None:
        """Connect as the member that this process is, and subscribe. A connection that is whole stays as it is."""
        if self._client is not None and not self._client.lost:
            return
        await self._drop()
        try:
            await self._connect()
        except BrokerLost:
            await self._drop()  # it may be whole, and reads nothing
            raise

    async def receive(self, count: int) -> list[Message]:
        """Wait for messages."""
        client = self._client
        if client is None:
            raise BrokerLost(f"{self._address}: not connected")
        messages: list[Message] = []
        while not messages:
            while self._back and len(messages) < count:
                messages.append(self._again(self._back.popleft()))
            while client.received and len(messages) < count:
                message = self._take(client.received.popleft())
                if message is not None:
                    messages.append(message)
            if messages:
                break
            self._settle()
            if client.lost:
                raise BrokerLost(f"{self._address}: {client.reason}")
            client.wake.clear()
            await client.wake.wait()
        return messages

    async def hold(self) -> None:
        """Do nothing: what is sent to nobody who has subscribed is lost, and this member may be the only one."""

    async def finish(self, done: Sequence[Done]) -> Sequence[Unfit]:
        """Send, each confirmed, and acknowledge as far as everything before is handled."""
        if (self._client is None or self._client.lost) and any(each.sendings for each in done):
            why = self._client.reason if self._client else "not connected"
            raise BrokerLost(f"{self._address}: {why}", started=Started.NO)
        async with self._asking(ANSWER_S + seconds_for(done)):
            sent = await self._sender.send(done)
            for each in sent.done:
                if each.message is not None:
                    cast("Entry", each.message.token).done = True
            self._settle()
        if sent.why:
            raise BrokerLost(f"{self._address}: {sent.why}")
        return sent.unfit

    async def give_back(self, messages: Sequence[Message], delay_s: float = 0.0) -> None:  # noqa: ARG002 - it delays nothing
        """Have messages again ourselves, at once or when this member is back: the protocol has no other way."""
        for message in messages:
            entry = cast("Entry", message.token)
            entry.held = False
            self._back.append(entry)
        if self._client is not None:
            self._client.wake.set()

    async def extend(self, messages: Sequence[Message]) -> None:
        """Do nothing: a message is this member's until it is acknowledged."""

    async def close(self) -> None:
        """Let go; the server keeps what was not acknowledged for when this member is back."""
        await self._drop()
        if self._slot is not None:
            self._slot.close()
            self._slot = None

    # The connection

    async def _connect(self) -> None:
        options = self._options
        name = self._query.get("client") or self._named()
        connecting = Properties(PacketTypes.CONNECT)
        connecting.SessionExpiryInterval = SESSION_S if options.source else 0
        connecting.ReceiveMaximum = RECEIVE_MAX
        async with self._asking():
            client = Client(
                self._host,
                self._port,
                username=self._user,
                password=self._password,
                identifier=name,
                keepalive=int(min(max(options.lease_s / 2, KEEPALIVE_S_MIN), KEEPALIVE_S_MAX)),
                clean_start=RESUME,
                tls_context=tls_of(self._query) if self._tls else None,
                properties=connecting,
            )
            await client.__aenter__()
            client.watch()
            self._client = client
            self._learn(client)
            if options.source:
                codes = await client.subscribe(self._topic, qos=1)
                refused = [code for code in codes if getattr(code, "value", 0) >= REFUSED]
                if refused:
                    raise BrokerLost(f"{self._address}: may not read {options.source}: {refused[0]}")

    async def _drop(self) -> None:
        client, self._client = self._client, None
        self._earlier.update((entry.number, entry) for entry in self._line if entry.number)
        self._line.clear()
        self._back.clear()
        if client is None or client.lost:
            return
        with suppress(TimeoutError, aiomqtt.MqttError, OSError):
            async with within(CLOSE_S):
                # Once this is answered, all acknowledgements are in; a connection that is closed may lose them.
                await client.unsubscribe(NOTHING)
        with suppress(TimeoutError, aiomqtt.MqttError, OSError):
            async with within(CLOSE_S):
                await client.__aexit__(None, None, None)

    def _named(self) -> str:
        """The name of a member that no other process on this machine has now, and that is free when this one ends."""
        name = f"dragoman-{self._options.group}-{self._options.name}-{socket.gethostname()}"
        numbers = [self._number, *range(SLOTS_MAX)]
        while self._slot is None and numbers:
            self._number = numbers.pop(0)
            slot = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                slot.bind(f"\0{self._address}/{name}-{self._number}"[-SLOT_CHARS_MAX:])
            except OSError:
                slot.close()
            else:
                self._slot = slot
        if self._slot is None:
            raise BrokerLost(f"{self._address}: this machine has {SLOTS_MAX} members of {self._options.name} already")
        return f"{name}-{self._number}"

    def _learn(self, client: Client) -> None:
        """Take in what the server says of itself, and of what it remembers of this member."""
        allowed = client.allowed
        self._sending = asyncio.Semaphore(min(SENT_MAX, getattr(allowed, "ReceiveMaximum", SENT_MAX)))
        self._size_max = getattr(allowed, "MaximumPacketSize", 0)
        if not client.resumed:
            self._earlier.clear()

    @asynccontextmanager
    async def _asking(self, within_s: float = ANSWER_S) -> AsyncGenerator[None]:
        """Whatever goes wrong with the server here is `BrokerLost`."""
        try:
            async with within(within_s):
                yield
        except BrokerLost:
            raise
        except TimeoutError:
            await self._drop()
            raise BrokerLost(f"{self._address}: no answer within {within_s:.0f}s") from None
        except (aiomqtt.MqttError, OSError) as error:
            raise BrokerLost(f"{self._address}: {error}") from None

    # Messages

    def _take(self, received: MQTTMessage) -> Message | None:
        """A message as it came; None where it came before, and is in hand or done."""
        earlier = self._earlier.pop(received.mid, None) if received.dup else None
        if earlier is not None and earlier.message.body == received.payload:
            self._line.append(earlier)
            return None if earlier.held or earlier.done else self._again(earlier)
        message = read(bytes(received.payload), received.properties)
        message.deliveries = 0 if received.dup else 1
        message.token = entry = Entry(received.mid if received.qos else 0, message)
        if entry.number:
            self._line.append(entry)
        return message

    def _again(self, entry: Entry) -> Message:
        entry.held = True
        entry.message.deliveries = 0
        return entry.message

    def _settle(self) -> None:
        """Acknowledge what is handled, in the order in which it came."""
        client = self._client
        while client is not None and self._line and self._line[0].done:
            client.acknowledge(self._line.popleft().number)

    # Sending

    async def _publish(self, topic: str, outgoing: Outgoing) -> Fault | str:
        client = self._client
        if client is None:
            raise BrokerLost(f"{self._address}: not connected")
        said, user = written(outgoing)
        if any(len(part.encode()) > STRING_BYTES_MAX for pair in user for part in pair):
            return misfit(f"a header is longer than the {STRING_BYTES_MAX} bytes that MQTT takes")
        size = len(outgoing.body) + sum(len(name.encode()) + len(value.encode()) + 8 for name, value in user) + 1024
        if self._size_max and size > self._size_max:
            most = format_size(self._size_max)
            return misfit(f"a message of about {format_size(size)} is more than the {most} that the server takes")
        properties = Properties(PacketTypes.PUBLISH)
        for name, value in said.items():
            setattr(properties, name, value)
        if user:
            properties.UserProperty = user
        try:
            async with self._sending:
                code = await client.send(topic, outgoing.body, properties)
        except ValueError as error:
            return misfit(f"MQTT cannot send it to {topic[:200]}: {error}")
        if code.value in NEVER:
            return misfit(f"the server refuses it: {code}")
        return f"the server takes no message for {topic[:200]}: {code}" if code.value >= REFUSED else ""
