"""`dragoman.producer`: messages to queues, from any Python program; no host has to be there.

To Redis Streams, and to every other broker that hosts read from, in the format that they read.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from dragoman.contract import codec
from dragoman.contract.malformed import Malformed
from dragoman.core.call import Codec
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Cancelled, Draining, Fault, InvalidArgument, OutOfRange, ResourceExhausted, Started
from dragoman.queues.address import asked
from dragoman.queues.brokers import broker_for
from dragoman.queues.cloudevents import PREFIX, REQUIRED, VERSION
from dragoman.queues.options import KINDS, QueueOptions
from dragoman.queues.outlet import Outlet

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence
    from types import TracebackType

PLACES_MAX = 100
"""Each has a connection of its own."""
BODY_BYTES_MAX = 512 * 1024 * 1024
"""What Redis takes, unless its owner says otherwise; other brokers take less, and say so."""
AHEAD = 1000
"""Messages sent ahead of their answers: enough that waiting costs nothing, and less than may wait for a broker."""
CLOSE_S = 10.0
"""For what is being sent when a producer is closed."""
BYTES = "application/octet-stream"


class AsyncProducer:
    """Sends messages to places of one broker, for those who await: `async with dragoman.producer(url) as producer`."""

    def __init__(self, url: str, *, keep: int = 0) -> None:
        self._url = url
        self._keep = keep
        self._outlets: dict[str, Outlet] = {}
        self._sending: set[asyncio.Task[Any] | None] = set()
        self._closed = False

    async def send(self, place: str, input: Any = None, headers: Mapping[str, str] | None = None) -> None:  # noqa: A002 - as functions call it
        """Send one message, and return when its broker has it safe.

        Args:
            place: A stream, queue, subject or topic.
            input: The input of a function, written as JSON; bytes go as they are, None is an input without fields.
            headers: `correlation-id`, `traceparent`, `dragoman-deadline` and the like, in lower case.

        Raises:
            Fault: It was refused, or nobody knows whether it is stored (`started` is `unknown`): then the same may be
                sent again, with the same `idempotency-key`, where running it twice would do harm.
        """
        await self._publish(place, [message_of(input, headers)])

    async def send_all(self, place: str, inputs: Sequence[Any], headers: Mapping[str, str] | None = None) -> None:
        """Send messages in their order, without waiting for each, all with the same headers.

        Raises the `Fault` of the first that was refused; those behind it may have been sent.
        """
        await self._publish(place, [message_of(each, headers) for each in inputs])

    async def close(self) -> None:
        """Wait for what is being sent, and let go. Harmless when repeated."""
        self._closed = True
        if sending := [each for each in self._sending if each is not None and each is not asyncio.current_task()]:
            await asyncio.wait(sending, timeout=CLOSE_S)
        outlets, self._outlets = self._outlets, {}
        await asyncio.gather(*(outlet.close() for outlet in outlets.values()))

    async def _publish(self, place: str, messages: list[tuple[bytes, dict[str, str]]]) -> None:
        outlet = self._outlet(place)
        task = asyncio.current_task()
        self._sending.add(task)
        try:
            for start in range(0, len(messages), AHEAD):
                some = messages[start : start + AHEAD]
                sending = (outlet.publish(body, said, secrets.token_hex(16)) for body, said in some)
                outcomes = await asyncio.gather(*sending, return_exceptions=True)
                if failed := [each for each in outcomes if isinstance(each, BaseException)]:
                    raise failed[0]
        except Draining:
            raise Cancelled("the producer was closed", started=Started.UNKNOWN) from None
        finally:
            self._sending.discard(task)

    def _outlet(self, place: str) -> Outlet:
        if self._closed:
            raise closed()
        outlet = self._outlets.get(place)
        if outlet is None:
            if not place:
                raise refused("the place has no name")
            if len(self._outlets) >= PLACES_MAX:
                raise ResourceExhausted(f"a producer sends to at most {PLACES_MAX} places", started=Started.NO)
            options = QueueOptions(place, self._url, to=place, keep=self._keep)
            broker = broker_for(options, f"producer-{secrets.token_hex(8)}", SystemClock())
            outlet = self._outlets[place] = Outlet(options, broker, "", again=False)
        return outlet


class Producer:
    """Sends messages to places of one broker; for any thread. `with dragoman.producer(url) as producer`.

    Nothing is sent before the first message. In `async with` it is an `AsyncProducer`.
    """

    def __init__(self, url: str, *, keep: int = 0) -> None:
        self._within = AsyncProducer(url, keep=keep)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._lock = threading.Lock()

    def send(self, place: str, input: Any = None, headers: Mapping[str, str] | None = None) -> None:  # noqa: A002 - as functions call it
        """Send one message, and return when its broker has it safe; see `AsyncProducer.send`."""
        self._run(self._within.send(place, input, headers))

    def send_all(self, place: str, inputs: Sequence[Any], headers: Mapping[str, str] | None = None) -> None:
        """Send messages in their order, without waiting for each; see `AsyncProducer.send_all`."""
        self._run(self._within.send_all(place, inputs, headers))

    def close(self) -> None:
        """Wait for what is being sent, and let go. Harmless when repeated."""
        with self._lock:
            self._closed = True
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(self._end(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> AsyncProducer:
        return self._within

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._within.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        with self._lock:
            if self._closed:
                work.close()
                raise closed()
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="dragoman-producer", daemon=True)
                self._thread.start()
            sending = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            sending.result()
        except BaseException:
            sending.cancel()  # an interrupted thread waits no longer
            raise

    async def _end(self) -> None:
        await self._within.close()
        if rest := asyncio.all_tasks() - {asyncio.current_task()}:
            # Other threads wait for these; each is told before the loop stops.
            await asyncio.wait(rest, timeout=CLOSE_S)
        await asyncio.sleep(0)


def producer(url: str, *, keep: int = 0) -> Producer:
    """Send messages to queues: `dragoman.producer("redis://127.0.0.1:6379").send("orders", {"item": "tea"})`.

    Args:
        url: The broker's address, as in `[queues.NAME]`: `redis://`, `nats://`, `amqp://`, `kafka://` or `mqtt://`.
        keep: About so many messages are kept in a place, the latest, where that is for the sender to say; 0 for all.

    Raises:
        ValueError: The address is none of a broker.
    """
    kind = KINDS.get(urlsplit(url).scheme)
    if kind is None:
        raise ValueError(f"an address of a broker begins with {', '.join(f'{each}://' for each in KINDS)}")
    if keep < 0:
        raise ValueError("keep is a number of messages, or 0 for all")
    asked(url, kind)
    return Producer(url, keep=keep)


def message_of(input: Any, headers: Mapping[str, str] | None) -> tuple[bytes, dict[str, str]]:  # noqa: A002 - as functions call it
    """The body and the headers of a message, these in their order. Raises a `Fault`."""
    said: dict[str, Any] = dict(headers or {})
    for name, text in said.items():
        if not fit(name):
            raise refused(f"{name!r} cannot be the name of a header: use lower case, printable, and not body")
        if not isinstance(text, str):
            raise refused(f"the header {name} is no string")
    missing = [f"{PREFIX}{name}" for name in REQUIRED if not said.get(f"{PREFIX}{name}")]
    if any(name.startswith(PREFIX) for name in said) and (missing or said.get(f"{PREFIX}specversion") != VERSION):
        raise refused(f"an event has ce-specversion {VERSION}, ce-id, ce-source and ce-type")
    if isinstance(input, bytes | bytearray | memoryview):
        said.setdefault("content-type", BYTES)
        body = bytes(input)  # pyright: ignore[reportUnknownArgumentType] - a memoryview of any shape
    else:
        try:
            body = codec.encode({} if input is None else input, Codec.JSON)
        except Malformed as error:
            raise refused(f"the input cannot be said in JSON: {error}") from None
    if len(body) > BODY_BYTES_MAX:
        raise OutOfRange(f"the body has {len(body)} bytes, where {BODY_BYTES_MAX} is the most", started=Started.NO)
    return body, dict(sorted(said.items()))


def fit(name: str) -> bool:
    """Whether a header may have this name: Python's own word for what is printable knows more than ASCII."""
    return bool(name) and name != "body" and all("!" <= each <= "~" and not each.isupper() for each in name)


def refused(detail: str) -> Fault:
    """What is wrong with a message before it was sent."""
    return InvalidArgument(detail, started=Started.NO)


def closed() -> Fault:
    """What is told after the end."""
    return Cancelled("the producer is closed", started=Started.NO)
