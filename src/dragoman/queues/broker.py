"""The port of brokers: what a queue's server does for one consumer. All that messages mean is elsewhere.

- **Nothing is acknowledged before what came of it is safe**: `finish` publishes, has that confirmed, and then
  acknowledges; in one step where the server can. One that fails may be asked for again, whole.
- **Nothing is lost.** What was received and neither finished nor given back is delivered again, to this or another
  host, at the latest when the connection or the lease has ended.
- **Trouble is `BrokerLost`**, whatever it is: no server, no answer, one that refuses. The consumer then opens anew,
  after a pause, for as long as it takes, and finishes what it has got ready meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from dragoman.core.fault import Code, Started

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.core.fault import Fault
    from dragoman.queues.message import Message, Sending


class BrokerLost(ConnectionError):  # noqa: N818 - says what has happened, as faults do
    """The broker cannot do it now. The message says which, where and what to do.

    `code` is that of the fault that whoever sends is told. `started` is NO where it is certain that nothing was done.
    """

    def __init__(self, why: str, *, code: Code = Code.UNAVAILABLE, started: Started = Started.UNKNOWN) -> None:
        super().__init__(why)
        self.code = code
        self.started = started


class Done(NamedTuple):
    """What came of a message: what is to be sent, after which it is handled. None: nothing was received for it."""

    message: Message | None
    sendings: tuple[Sending, ...] = ()


class Unfit(NamedTuple):
    """What can never be sent as it is (too large for its broker), and was not; its message is still to be settled."""

    done: Done
    fault: Fault


class Broker(Protocol):
    """A connection to one broker, for one queue. Used by one loop; operations may run side by side.

    Every operation raises `BrokerLost` where it cannot be done.
    """

    @property
    def delays(self) -> bool:
        """Whether the server itself keeps a message back that is given back for later."""
        ...

    async def open(self) -> None:
        """Connect, and make what is missing (group, queue, stream). After `BrokerLost`: anew."""
        ...

    async def receive(self, count: int) -> list[Message]:
        """Wait for messages: from 1 to `count`. Those of other hosts that died are among them, sooner or later."""
        ...

    async def hold(self) -> None:
        """Fetch nothing more until it is opened: what has come, and was not received, goes to others where it can."""
        ...

    async def finish(self, done: Sequence[Done]) -> Sequence[Unfit]:
        """Send, have it confirmed, then acknowledge; those that do not fit are left, and told.

        Messages of a connection that was lost are left out where the server delivers them again by itself.
        """
        ...

    async def give_back(self, messages: Sequence[Message], delay_s: float = 0.0) -> None:
        """Have messages delivered again, to any host, not before `delay_s` where the broker `delays`.

        This delivery is not to count where the broker can say so, unless it is for later.
        """
        ...

    async def extend(self, messages: Sequence[Message]) -> None:
        """Say that messages are still being worked on, so that nobody else is given them."""
        ...

    async def close(self) -> None:
        """Let go. What is neither finished nor given back is given back. Harmless when repeated; raises nothing."""
        ...
