"""A worker started by hand as its host starts it, and a program that does nothing."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from bench.guest import observe, run, start


def test_a_worker_is_weighed_and_started_again_as_its_host_starts_it() -> None:
    guest = observe("Python")
    assert guest.argv[-1] == "dragoman.guest"
    assert 0 < guest.weight["uss_mb"] <= guest.weight["pss_mb"] <= guest.weight["rss_mb"]
    assert start(guest)["time_ms"] > 0


def test_what_never_gets_ready_is_told() -> None:
    guest = observe("Python")
    with pytest.raises((RuntimeError, OSError)):
        start(replace(guest, argv=(sys.executable, "-c", "pass")))
    with pytest.raises(RuntimeError, match="ended with 3"):
        run((sys.executable, "-c", "raise SystemExit(3)"))
