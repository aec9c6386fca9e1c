"""How a host uses one queue: where it is, what is read from it, who handles that, and where results go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlsplit

from dragoman.core.fault import PASSING

if TYPE_CHECKING:
    from dragoman.core.fault import Code

Kind: TypeAlias = Literal["redis", "nats", "rabbitmq", "kafka", "mqtt"]

KINDS: dict[str, Kind] = {
    "redis": "redis",
    "rediss": "redis",
    "unix": "redis",
    "nats": "nats",
    "tls": "nats",
    "amqp": "rabbitmq",
    "amqps": "rabbitmq",
    "kafka": "kafka",
    "kafkas": "kafka",
    "mqtt": "mqtt",
    "mqtts": "mqtt",
}
"""Which broker an address is of, by its scheme; a second one is with TLS."""


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """One binding: `name` is that of its table.

    `source` is what is read (a stream, queue, subject or topic; empty: nothing, it is only written to), as a member of
    `group`. Each message is a call of `function`; empty: of the function that the message names. It is handled when the
    call has ended, or where it `becomes` a task, when that is stored. Results go to `to`, problem documents of those
    that were given up to `faults`, and the messages themselves to `dead`; empty: nowhere. With `format` `cloudevents`
    every message must be an event; else it may.

    At most `prefetch` messages are held beyond those that run. One that fails for a reason of those in `on` is tried
    again, `attempts` times with the first, after pauses that grow from `base_s` to `max_s`. Where a host has shown no
    sign of life for `lease_s`, others take its messages. At most about `keep` messages are kept in `to`, `faults` and
    `dead`, 0 for all; with `trim`, what all groups have handled is dropped from `source`.
    """

    name: str
    url: str
    source: str = ""
    group: str = "dragoman"
    function: str = ""
    becomes: Literal["call", "task"] = "call"
    format: Literal["json", "cloudevents"] = "json"
    to: str = ""
    faults: str = ""
    dead: str = ""
    prefetch: int = 256
    attempts: int = 3
    base_s: float = 1.0
    max_s: float = 300.0
    on: frozenset[Code] = PASSING
    lease_s: float = 30.0
    keep: int = 1_000_000
    trim: bool = False

    @property
    def kind(self) -> Kind:
        """Which broker it is. Raises `KeyError` for an address of none."""
        return KINDS[urlsplit(self.url).scheme]
