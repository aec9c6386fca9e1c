"""The brokers that there are, each imported where it is wanted: none of them has to be installed for the others."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dragoman.core.fault import NotFound, Started

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.clock import Clock
    from dragoman.queues.broker import Broker
    from dragoman.queues.options import QueueOptions

BROKERS = {
    "redis": ("redis_streams", "RedisStreams", "redis"),
    "nats": ("jetstream", "JetStream", "queues"),
    "rabbitmq": ("rabbitmq", "RabbitMq", "queues"),
    "kafka": ("kafka", "Kafka", "queues"),
    "mqtt": ("mqtt", "Mqtt", "queues"),
}
"""The module of each kind of broker, its class there, and the extra that it takes."""


def broker_for(options: QueueOptions, consumer: str, clock: Clock, gone: Callable[[str], bool] | None = None) -> Broker:
    """What speaks with a queue's broker, in the name of `consumer`. Raises `NotFound` where that is not installed.

    `gone` is for those brokers whose consumers can be asked after by their names.
    """
    return adapter_for(options)(options, consumer, clock, *(() if gone is None else (gone,)))


def adapter_for(options: QueueOptions) -> Callable[..., Broker]:
    """What makes them. Raises `NotFound` as well."""
    module, kind, extra = BROKERS[options.kind]
    try:
        found: Any = getattr(import_module(f"dragoman.queues.{module}"), kind)
    except ModuleNotFoundError as error:
        detail = f"queue {options.name} needs {error.name}, which is not installed: pip install 'dragoman[{extra}]'"
        raise NotFound(detail, started=Started.NO) from None
    return found
