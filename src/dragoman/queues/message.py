"""What comes out of a queue, and what goes into one: a body and headers."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Message:
    """One delivery of a message.

    `id` is the same at each delivery. `deliveries` counts them, this one included; 0 where the broker does not say.
    Names of `headers` are in lower case; those of a CloudEvent begin with `ce-`, however its broker has it. Messages
    of one `lane` are handled one after the other, in their order; those with none in any. `token` is the broker's own:
    what it needs to settle this delivery. `wrong` says why it cannot be read, where it cannot.
    """

    __slots__ = ("body", "deliveries", "headers", "id", "lane", "token", "wrong")

    def __init__(
        self,
        id: str,  # noqa: A002 - the field's public name
        body: bytes,
        headers: Mapping[str, str] = NO_HEADERS,
        deliveries: int = 1,
        *,
        lane: str = "",
        token: object = None,
    ) -> None:
        self.id = id
        self.body = body
        self.headers = headers
        self.deliveries = deliveries
        self.lane = lane
        self.token = token
        self.wrong = ""


class Outgoing(NamedTuple):
    """A message to be sent.

    `id` is the same whenever the same is sent again, so that brokers which tell such apart keep one. `key` is that of
    the order in which it stands (the `lane` of what it answers); empty for none.
    """

    body: bytes
    headers: Mapping[str, str] = NO_HEADERS
    id: str = ""
    key: str = ""


class Sending(NamedTuple):
    """A message, and the place on its broker that it goes to: a stream, queue, subject or topic."""

    place: str
    outgoing: Outgoing
