"""How a host uses a store, and how much of its own time it gives to one that is in trouble."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Where the store is, and its bounds.

    `url` is `redis://`, `rediss://` (TLS) or `unix://`, as redis-py reads it; all keys and channels begin with
    `prefix` and a colon. An operation has `timeout_s` seconds; after `failures_max` in a row that had no answer by then
    the store is down. At most `in_flight_max` operations, and `unsent_bytes_max` bytes that the network has not taken,
    are in flight; what comes on top of them fails at once. A connection is made within `connect_s` seconds; pauses
    between tries grow from `pause_s` to `pause_s_max`. A connection without traffic is tried every `idle_s` seconds.
    """

    url: str
    prefix: str = "dragoman"
    timeout_s: float = 0.05
    failures_max: int = 5
    in_flight_max: int = 1000
    unsent_bytes_max: int = 16 * 1024 * 1024
    connect_s: float = 1.0
    pause_s: float = 0.05
    pause_s_max: float = 1.0
    idle_s: float = 1.0
