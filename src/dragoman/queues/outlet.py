"""A queue that messages are published to by themselves: the ends of tasks, for whoever asked to be told there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from dragoman.core.fault import Draining, Fault, Started, Unavailable
from dragoman.queues.broker import BrokerLost, Done
from dragoman.queues.cloudevents import close_event
from dragoman.queues.media import JSON
from dragoman.queues.message import Outgoing, Sending

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.queues.broker import Broker
    from dragoman.queues.options import QueueOptions

WAITING_MAX = 10_000
"""Messages that wait for their broker; whoever sends more is told that it is too slow."""
BATCH = 256
CARRIED = {"traceparent": "traceparent", "correlation-id": "correlationid"}
"""Headers that are attributes of an event."""

Waiting: TypeAlias = "tuple[Done, asyncio.Future[None]]"


class Outlet:
    """Publishes to one queue, from when somebody first does. `broker` reads nothing."""

    def __init__(self, options: QueueOptions, broker: Broker, service: str, *, again: bool = True) -> None:
        """With `again`, what may or may not have been stored as the connection was lost is sent once more."""
        self.options = options
        self._again = again
        self._broker = broker
        self._service = service
        self._open = False
        self._closed = False
        self._waiting: list[Waiting] = []
        self._sending: asyncio.Task[None] | None = None

    async def publish(self, body: bytes, headers: Mapping[str, str], id: str = "") -> None:  # noqa: A002 - its public name
        """Publish, and return when the broker has it safe. Raises a `Fault`."""
        if self._closed:
            raise Draining(f"queue {self.options.name} is closed")
        if len(self._waiting) >= WAITING_MAX:
            detail = f"{WAITING_MAX} messages wait for queue {self.options.name} already"
            raise Unavailable(detail, started=Started.NO)
        done = Done(None, (Sending(self.options.to, self._outgoing(body, headers, id)),))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((done, future))
        if self._sending is None:
            self._sending = asyncio.ensure_future(self._send())
        await future

    async def close(self) -> None:
        """Let go; what is not published fails."""
        self._closed = True
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait((self._sending,))
        waiting, self._waiting = self._waiting, []
        for _, future in waiting:
            if not future.done():
                future.set_exception(Draining(f"queue {self.options.name} is closed"))
        await self._broker.close()

    def _outgoing(self, body: bytes, headers: Mapping[str, str], id: str) -> Outgoing:  # noqa: A002 - as above
        if self.options.format != "cloudevents":
            return Outgoing(body, headers, id)
        attributes = {"id": id or "0", "source": f"/{self._service}", "type": "dragoman.task"}
        for name, attribute in CARRIED.items():
            if name in headers:
                attributes[attribute] = headers[name]
        closed = close_event(attributes, headers.get("content-type", JSON), body, structured=True)
        own = {name: value for name, value in headers.items() if name.startswith("webhook-")}
        return Outgoing(closed.data, {**own, "content-type": closed.content_type}, id)

    async def _send(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                try:
                    await self._publish(batch)
                except BrokerLost as lost:
                    self._open = False
                    self._fail(batch, lost)
                except Exception as error:  # noqa: BLE001 - those behind it wait, and it would fail again
                    self._open = False
                    self._fail(batch, BrokerLost(f"{type(error).__name__}: {error}"))
                except BaseException:
                    self._waiting[:0] = batch
                    raise
        finally:
            self._sending = None

    async def _publish(self, batch: list[Waiting]) -> None:
        """Publish, connecting anew once. Raises `BrokerLost`."""
        if self._open:
            try:
                await self._finish(batch)
            except BrokerLost as lost:
                self._open = False
                if lost.started is not Started.NO and not self._again:
                    raise
                maybe = lost.started
            else:
                return
        else:
            maybe = Started.NO
        try:
            await self._broker.open()
        except BrokerLost as lost:
            # Nobody else is to wait as long for a server that is not there.
            others, self._waiting = self._waiting, []
            self._fail(others, BrokerLost(str(lost), code=lost.code, started=Started.NO))
            raise BrokerLost(str(lost), code=lost.code, started=maybe) from None
        self._open = True
        await self._finish(batch)

    async def _finish(self, batch: list[Waiting]) -> None:
        unfit = await self._broker.finish([done for done, _ in batch])
        refused = {id(each.done): each.fault for each in unfit}
        for done, future in batch:
            if not future.done():
                if id(done) in refused:
                    future.set_exception(refused[id(done)])
                else:
                    future.set_result(None)

    def _fail(self, batch: list[Waiting], lost: BrokerLost) -> None:
        for _, future in batch:
            if not future.done():
                detail = f"queue {self.options.name}: {lost}"
                future.set_exception(Fault.of(lost.code, detail, started=lost.started))
