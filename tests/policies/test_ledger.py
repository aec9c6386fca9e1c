from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.call import Reply
from dragoman.core.fault import Unknown
from dragoman.policies.ledger import ENTRY_BYTES, Ledger, Told


def told(size: int = 0) -> Told:
    return Told(b"print", Reply(bytes(size)))


def test_an_answer_is_kept_for_its_time() -> None:
    ledger = Ledger(10, 10_000, 60.0)
    ledger.write(("a", "k"), told(), 0.0)
    assert ledger.find(("a", "k"), 59.9) is not None
    assert ledger.find(("b", "k"), 59.9) is None
    assert ledger.find(("a", "k"), 60.0) is None
    assert (len(ledger), ledger.bytes) == (0, 0)


def test_the_oldest_make_room() -> None:
    ledger = Ledger(2, 10_000, 60.0)
    for number in range(3):
        ledger.write(("a", str(number)), told(), float(number))
    assert ledger.find(("a", "0"), 3.0) is None
    assert ledger.find(("a", "1"), 3.0) is not None
    assert ledger.evicted == 1


def test_those_whose_time_is_over_make_room_first() -> None:
    ledger = Ledger(2, 10_000, 1.0)
    for number in range(4):
        ledger.write(("a", str(number)), told(), 10.0 * number)
    assert ledger.evicted == 0
    assert len(ledger) == 1


def test_an_answer_too_large_leaves_a_note() -> None:
    ledger = Ledger(2, 10_000, 60.0)
    ledger.write(("a", "k"), told(20_000), 0.0)
    found = ledger.find(("a", "k"), 1.0)
    assert found is not None
    assert found.answer is None
    assert "idempotency.memory" in found.why


def test_faults_count_by_what_they_say() -> None:
    assert Told(b"", Unknown("x" * 100, traceback="y" * 50)).bytes == ENTRY_BYTES + 150


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3000), st.floats(0.0, 2.0)), max_size=60))
def test_it_never_holds_more_than_it_may(writes: list[tuple[int, int, float]]) -> None:
    ledger, now = Ledger(4, 5000, 3.0), 0.0
    for number, size, gap in writes:
        now += gap
        ledger.write(("a", str(number)), told(size), now)
        assert len(ledger) <= 4
        assert ledger.bytes <= 5000
        kept = ledger.find(("a", str(number)), now)
        assert kept is not None
        assert kept.answer is not None or size + ENTRY_BYTES > 5000
