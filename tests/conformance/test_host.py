"""The host passes every case of a guest's, and outlives them all."""

from __future__ import annotations

import sys

from conformance.play_guest import cases, run


def test_the_host_passes_every_case() -> None:
    outcomes = list(run((sys.executable, "-m", "dragoman")))
    assert not [f"{outcome.name}: {outcome.why}" for outcome in outcomes if outcome.why]
    assert len(outcomes) == len(list(cases())) + 1
