"""Gates of a blocking call: opened once, however often that is said, for one thread that comes or waits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from dragoman.client.slot import Slot, release, shut
from dragoman.core.fault import Cancelled


def test_a_gate_lets_one_through_for_any_number_of_releases() -> None:
    gate = shut()
    assert not gate.acquire(blocking=False)
    release(gate)
    release(gate)
    assert gate.acquire(blocking=False)
    assert not gate.acquire(blocking=False)


def test_news_wakes_the_caller_and_what_feeds_its_input() -> None:
    slot = Slot("f")
    slot.room = shut()
    assert not slot.ready
    with ThreadPoolExecutor(2) as pool:
        passed = [pool.submit(gate.acquire, timeout=10) for gate in (slot.gate, slot.room)]
        slot.fault = Cancelled("given up")
        slot.wake()
        assert [each.result() for each in passed] == [True, True]
    assert slot.ready
