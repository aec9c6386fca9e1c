"""Faults made on purpose, at a rate, so that a team can rehearse them. Off unless a project says otherwise.

The kinds are those of fault injection as service meshes have it (Envoy's fault filter: delay, abort), and what happens
to processes and wires beside them (Basiri et al., *Chaos Engineering*, IEEE Software 2016). A call is chosen by chance,
which is injected, so that a rehearsal can be repeated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from dragoman.core.deadline import NEVER
from dragoman.core.fault import Cancelled, Code, DeadlineExceeded, Fault, Started
from dragoman.core.ordeal import Ordeal, Trouble
from dragoman.core.service import Pending, settle

if TYPE_CHECKING:
    from dragoman.core.call import Call, Reply
    from dragoman.core.service import Service
    from dragoman.policies.surroundings import Surroundings


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

    def __post_init__(self) -> None:
        """Raises `ValueError` for a share that is none, or a time before now."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in KINDS and not 0 <= value <= 1:
                message = f"{field.name} is a share of calls, 0 to 1, not {value}"
                raise ValueError(message)
            if field.name.endswith("_s") and value < 0:
                message = f"{field.name} is a time in seconds, not {value}"
                raise ValueError(message)


KINDS = ("latency", "fault", "kill", "stop", "drop", "corrupt", "memory", "cpu")
"""What may happen, in the order in which chance is asked. A call is delayed or not, and then fails, or one of the rest
happens to it: the first that chance names."""


class Chaos:
    """Troubles the calls of one function.

    `options` may be set at any time; calls that come after that are troubled by the new ones. Whether a call that was
    chosen for a worker's trouble meets a worker at all is up to whoever runs it: nothing happens to one that none runs.
    """

    def __init__(self, options: ChaosOptions, surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        self.counts: dict[str, int] = dict.fromkeys(KINDS, 0)
        self.options = options

    @property
    def options(self) -> ChaosOptions:
        """What happens to which share of the calls."""
        return self._options

    @options.setter
    def options(self, options: ChaosOptions) -> None:
        self._options = options
        self._wanted = [(kind, share) for kind in KINDS if (share := float(getattr(options, kind)))]

    def state(self) -> Mapping[str, object]:
        """The shares that are not 0."""
        return dict(self._wanted)

    def __call__(self, service: Service, /) -> Service:
        """Trouble the calls of `service`."""
        chance = self.surroundings.random

        def troubled(call: Call) -> Awaitable[Reply]:
            delayed, trouble = False, ""
            for kind, share in self._wanted:
                # Every kind is asked for each time: what happens to a call does not depend on what else may happen.
                if chance() >= share:
                    continue
                if kind == "latency":
                    delayed = True
                else:
                    trouble = trouble or kind
            if not delayed and not trouble:
                return service(call)
            if trouble:
                self.counts[trouble] += 1
            if delayed:
                self.counts["latency"] += 1
                return Delayed(self, service, call, trouble).begin()
            return self.strike(service, call, trouble)

        return troubled

    def strike(self, service: Service, call: Call, trouble: str) -> Awaitable[Reply]:
        """Run a call, and have something happen to it."""
        options = self._options
        if trouble == "fault":
            name = call.target.name
            detail = f"chaos: {name} was made to fail (chaos.fault = {options.fault:g})"
            return Pending.failed(Fault.of(options.code, detail, started=Started.NO, function=name))
        if trouble:
            call.ordeal = Ordeal(Trouble(trouble), options.exhaust_s)
        return service(call)


class Delayed(Pending):
    """The reply of a call that begins later than it came."""

    __slots__ = ("_call", "_layer", "_service", "_trouble")

    def __init__(self, layer: Chaos, service: Service, call: Call, trouble: str) -> None:
        super().__init__()
        self._layer = layer
        self._service = service
        self._call = call
        self._trouble = trouble

    def begin(self) -> Pending:
        """Wait for as long as the options say, and for no longer than the call has."""
        world, deadline = self._layer.surroundings, self._call.deadline
        wait_s = self._layer.options.latency_s
        late = deadline != NEVER and deadline - world.clock.monotonic() <= wait_s
        if late:
            wait_s = max(deadline - world.clock.monotonic(), 0.0)
        timer = world.call_later(wait_s, self._give_up if late else self._go)

        def leave() -> None:
            timer.cancel()
            detail = "the call was cancelled before it began"
            self.fail(Cancelled(detail, started=Started.NO, function=self._call.target.name))

        self.on_cancel = leave
        return self

    def _go(self) -> None:
        running = settle(self._layer.strike(self._service, self._call, self._trouble))
        self.on_cancel = running.cancel
        running.then(self._ended)

    def _give_up(self) -> None:
        call = self._call
        detail = f"{call.target.name} ran past its {call.deadline - call.arrived_at:g}s timeout: chaos delayed it"
        self.fail(DeadlineExceeded(detail, started=Started.NO, function=call.target.name))

    def _ended(self, running: Pending) -> None:
        if running.fault is not None:
            self.fail(running.fault)
        elif running.reply is not None:
            self.resolve(running.reply)
