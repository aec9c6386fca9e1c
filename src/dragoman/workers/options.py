"""What a user may set about a source's workers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """The pool of one source. Times are seconds, sizes bytes; 0 switches a recycling rule off.

    `concurrency` is the number of calls in flight inside one worker; `queue` bounds the wait line, past which a call
    is refused at once. `cancel_grace_s` is how long a worker may take to give up a cancelled call before it is killed.
    With `single_use` a worker runs one call and ends: `workers_min` are kept ready for the next calls, and
    `workers_max` bounds those that run and those that are ready together. Where such workers are forked from a zygote,
    the recycling rules are its own, and `recycle_calls` counts forks.
    """

    workers_min: int = 1
    workers_max: int = 2
    idle_s: float = 60.0
    concurrency: int = 1
    queue: int = 1000
    start_timeout_s: float = 30.0
    cancel_grace_s: float = 0.1
    drain_timeout_s: float = 30.0
    recycle_calls: int = 0
    recycle_age_s: float = 0.0
    recycle_memory_bytes: int = 0
    body_bytes_max: int = 16 * 1024 * 1024
    single_use: bool = False
