"""One message in hand: from its delivery to the moment at which what came of it is on its way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dragoman.core.fault import Fault
from dragoman.core.items import gather
from dragoman.core.service import Pending, settle

if TYPE_CHECKING:
    from dragoman.core.call import Call, Reply
    from dragoman.queues.intake import Asked
    from dragoman.queues.message import Message
    from dragoman.queues.surroundings import Door


class Owner(Protocol):
    """Whoever has the message in hand."""

    def read(self, message: Message) -> Asked:
        """What a message asks for. Raises a `Fault`."""
        ...

    def prepare(self, message: Message, asked: Asked, failures: int) -> tuple[Door, Call]:
        """Whom it asks, and the call that it is, after so many that failed. Raises a `Fault`."""
        ...

    def succeeded(self, flight: Flight, reply: Reply) -> None:
        """The call has a result."""
        ...

    def failed(self, flight: Flight, fault: Fault) -> None:
        """The call has failed, or never was one (`flight.call` is None)."""
        ...


class Flight:
    """A message and the call that it is, as often as it is tried. No task: it goes on where its reply arrives."""

    __slots__ = ("_owner", "asked", "call", "door", "failures", "key", "message", "pending", "refusals", "successes")

    def __init__(self, owner: Owner, message: Message, key: object = None) -> None:
        """`key` is what its owner knows it by."""
        self._owner = owner
        self.key = key
        self.message = message
        self.asked: Asked | None = None
        self.door: Door | None = None
        self.call: Call | None = None
        self.pending: Pending | None = None
        self.failures = 0
        self.refusals = 0
        self.successes = 0

    def begin(self) -> None:
        """Make the call."""
        self.call = None
        try:
            if self.asked is None:
                self.asked = self._owner.read(self.message)
            door, call = self._owner.prepare(self.message, self.asked, self.failures)
        except Fault as fault:
            self._owner.failed(self, fault)
            return
        except Exception as error:  # noqa: BLE001 - no other message is to wait for one that nobody has thought of
            self._owner.failed(self, Fault.internal(f"the host failed to make a call of the message: {error!r}"))
            return
        self.door, self.call = door, call
        door.meter.in_flight += 1
        try:
            answer = door.service(call)
            pending = answer if isinstance(answer, Pending) else settle(answer)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong inside, the message is to be settled
            pending = Pending.failed(Fault.internal(f"the host failed to run the call: {error!r}"))
        self.pending = pending
        pending.then(self._settled)

    def cancel(self) -> None:
        """Have the call stopped, if it runs."""
        if self.pending is not None:
            self.pending.cancel()

    def _settled(self, pending: Pending) -> None:
        self.pending = None
        reply, call = pending.reply, self.call
        assert call is not None, "only a call is settled"
        if reply is None:
            assert pending.fault is not None, "a settled call has a reply or a fault"
            self._owner.failed(self, pending.fault)
        elif reply.items is not None:
            gathered = self.pending = settle(gather(reply, call.reply_codec))
            gathered.then(self._settled)
        else:
            self._owner.succeeded(self, reply)
