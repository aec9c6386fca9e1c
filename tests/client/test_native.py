"""A host that was never there is given up at once; one that was is waited for, within bounds."""

from __future__ import annotations

import pytest

from dragoman.client.backoff import TRIES_S_MAX
from dragoman.client.native import NativeEndpoint, Tries, patience_of
from dragoman.core.fault import DeadlineExceeded, Started, Unavailable
from dragoman.testing.clock import ManualClock
from dragoman.wire.address import NativeAddress

HERE = NativeEndpoint(NativeAddress("/nowhere"), "", None, 1)
ERROR = ConnectionRefusedError(111, "Connection refused")


def test_an_address_that_never_answered_is_given_up_at_once() -> None:
    clock = ManualClock()
    with pytest.raises(Unavailable, match="cannot connect to unix:///nowhere: Connection refused") as told:
        Tries(HERE, patience_of("f", None, clock), clock, known=False).pause_s(ERROR)
    assert told.value.started is Started.NO


def waited_s(tries: Tries, clock: ManualClock) -> float:
    """How long it is tried."""
    began = clock.monotonic()
    while True:
        try:
            clock.advance(tries.pause_s(ERROR))
        except (Unavailable, DeadlineExceeded):
            return clock.monotonic() - began


def test_a_host_that_was_there_is_waited_for() -> None:
    clock = ManualClock()
    tries = Tries(HERE, patience_of("f", None, clock), clock, known=True)
    assert TRIES_S_MAX / 2 < waited_s(tries, clock) <= TRIES_S_MAX


def test_a_callers_own_time_ends_it_sooner() -> None:
    clock = ManualClock()
    tries = Tries(HERE, patience_of("f", 0.05, clock), clock, known=True)
    assert waited_s(tries, clock) <= 0.3


def test_what_is_said_of_this_client_has_the_token_and_no_functions() -> None:
    ready = NativeEndpoint(NativeAddress("/x"), "t", None, 1).ready()
    assert (ready.token, ready.language, ready.functions, ready.features) == ("t", "python", (), ())
