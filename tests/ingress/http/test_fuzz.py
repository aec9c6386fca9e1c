"""The fuzz targets, run for a moment from a fixed seed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TARGETS = Path(__file__).parents[2] / "fuzz"


@pytest.mark.parametrize("target", ["http_request.py", "task_requests.py", "websocket_call.py"])
def test_a_short_run_of_the_fuzz_target_finds_nothing(target: str) -> None:
    command = [sys.executable, str(TARGETS / target), "--seconds", "3", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "no bug" in done.stdout
