"""The probe tells what is really there."""

from __future__ import annotations

import json
import os

import pytest

from dragoman.sandbox import probe


def test_the_probe_sees_a_process_that_is_not_confined(capfd: pytest.CaptureFixture[str]) -> None:
    probe.main(-1, lambda: True)
    told = json.loads(capfd.readouterr().out)
    assert told["orphans_adopted"] is False
    assert "PATH" in told["environment"]
    assert told["user"] == os.getuid()
    assert set(told["descriptors"]) >= {0, 1, 2}
