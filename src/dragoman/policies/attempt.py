"""One more attempt at a call, for the layers that make them: whatever goes wrong with it is a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.fault import Fault, Started
from dragoman.core.service import Pending, settle

if TYPE_CHECKING:
    from dragoman.core.call import Call
    from dragoman.core.service import Service
    from dragoman.policies.surroundings import Surroundings


def attempt(service: Service, call: Call) -> Pending:
    """Have a service run a call; never raises, since nobody stands behind a timer or a callback to catch it."""
    try:
        return settle(service(call))
    except Fault as fault:
        return Pending.failed(fault)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong, the call is answered
        return Pending.failed(Fault.internal(f"{type(error).__name__}: {error}"))


def begun(call: Call) -> Started:
    """Whether the function has begun, as far as a call can tell."""
    if not call.dispatched_at:
        return Started.NO
    return Started.YES if call.dispatched_at > 0 else Started.UNKNOWN


def another(call: Call, surroundings: Surroundings) -> Call:
    """The call for a further attempt.

    Whoever asks the one that came whether the function has begun cannot see the attempts.
    """
    call.hand_over(surroundings.clock.monotonic())
    return call.again(surroundings.next_id())
