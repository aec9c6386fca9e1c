"""The fuzz target, run for a moment from a fixed seed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TARGET = Path(__file__).parents[1] / "fuzz" / "task_answers.py"


def test_a_short_run_of_the_fuzz_target_finds_nothing() -> None:
    command = [sys.executable, str(TARGET), "--seconds", "2", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "no bug" in done.stdout
