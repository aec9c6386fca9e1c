"""Faults made on purpose, at a rate, so that a team can rehearse them. Off unless a project says otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from dragoman.core.fault import Code


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """What happens to which share of the calls.

    Shares of calls, 0 to 1, to which something happens: `latency` adds `latency_s` seconds, `fault` fails with
    `code`, `kill` and `stop` end or freeze the worker that has the call, `drop` and `corrupt` lose or spoil a frame to
    it, `memory` and `cpu` take what there is in the worker's place for `exhaust_s` seconds.
    """

    latency: float = 0.0
    latency_s: float = 0.1
    fault: float = 0.0
    code: Code = Code.UNAVAILABLE
    kill: float = 0.0
    stop: float = 0.0
    drop: float = 0.0
    corrupt: float = 0.0
    memory: float = 0.0
    cpu: float = 0.0
    exhaust_s: float = 1.0
