"""Credit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.wire.fault import ProtocolFault
from dragoman.wire.flow import CREDIT_BYTES_MAX, Receiver, Sender


@given(st.integers(32, 5000), st.lists(st.integers(0, 20_000), max_size=40))
def test_a_stream_never_stalls_and_never_overruns(window: int, sizes: list[int]) -> None:
    sender, receiver = Sender(window), Receiver(window)
    for size in sizes:
        assert sender.credit > 0
        sender.spend(size)
        receiver.take(size)
        if due := receiver.consume(size):
            receiver.grant(due)
            sender.grant(due)
        assert sender.credit <= window


@given(st.integers(32, 5000), st.lists(st.integers(0, 3000), min_size=1, max_size=60))
def test_a_reader_that_lags_is_never_more_than_a_window_and_one_item_behind(window: int, sizes: list[int]) -> None:
    sender, receiver = Sender(window), Receiver(window)
    unread: list[int] = []
    for size in sizes:
        while sender.credit <= 0:
            assert unread, "no credit and nothing to read: the stream has stalled"
            if due := receiver.consume(unread.pop(0)):
                receiver.grant(due)
                sender.grant(due)
        sender.spend(size)
        receiver.take(size)
        unread.append(size)
        assert sum(unread[:-1]) <= window


def test_an_item_without_credit_is_a_protocol_fault() -> None:
    receiver = Receiver(100)
    receiver.take(1000)
    with pytest.raises(ProtocolFault, match="without credit"):
        receiver.take(0)


@pytest.mark.parametrize("amount", [0, CREDIT_BYTES_MAX - 99])
def test_a_credit_of_nothing_or_too_much_is_a_protocol_fault(amount: int) -> None:
    with pytest.raises(ProtocolFault):
        Sender(100).grant(amount)


@pytest.mark.parametrize("amount", [0, -1, CREDIT_BYTES_MAX - 99])
def test_a_credit_that_the_peer_would_refuse_is_not_sent(amount: int) -> None:
    with pytest.raises(ValueError, match="CREDIT"):
        Receiver(100).grant(amount)
