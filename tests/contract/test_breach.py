from __future__ import annotations

from dragoman.contract.breach import refused
from dragoman.core.fault import Breach, Started


def test_a_fault_says_the_first_breach_in_its_detail() -> None:
    breach = Breach("/a", "is bad")
    fault = refused("s.f", (breach,))
    assert fault.detail == "the input of s.f breaks its contract: /a is bad"
    assert (fault.function, fault.started, fault.errors) == ("s.f", Started.NO, (breach,))


def test_a_fault_counts_the_other_breaches() -> None:
    fault = refused("s.f", (Breach("", "is no object"), Breach("/b", "is bad"), Breach("/c", "is bad")))
    assert fault.detail == "the input of s.f breaks its contract: is no object (and 2 more)"
