"""What is held is bounded, and a large limit on bodies can still be used."""

from __future__ import annotations

import pytest

from dragoman.core.fault import Code, Started
from dragoman.ingress.holding import full, held_bytes_max

MIB = 1024 * 1024


@pytest.mark.parametrize(("body", "held"), [(1, 32), (MIB, 32 * MIB), (64 * MIB, 512 * MIB), (1024 * MIB, 4096 * MIB)])
def test_so_many_bodies_are_held_so_many_bytes_and_always_a_few(body: int, held: int) -> None:
    assert held_bytes_max(body) == held


def test_who_is_refused_for_it_may_try_again() -> None:
    fault = full()
    assert (fault.code, fault.started, fault.retry_after_s) == (Code.RESOURCE_EXHAUSTED, Started.NO, 1.0)
