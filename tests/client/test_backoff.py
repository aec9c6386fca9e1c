from itertools import islice

from dragoman.client.backoff import FIRST_S, LONGEST_S, pauses


def test_pauses_grow_to_a_bound_and_no_two_clients_wait_alike() -> None:
    most = [min(FIRST_S * 2**step, LONGEST_S) for step in range(20)]
    first, second = list(islice(pauses(), 20)), list(islice(pauses(), 20))
    for waits in (first, second):
        assert all(limit / 2 <= wait <= limit for wait, limit in zip(waits, most, strict=True))
    assert first != second
