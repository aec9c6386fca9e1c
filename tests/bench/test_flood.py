"""A flood of calls is measured where every one is answered rightly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.comparisons import native_calls
from bench.flood import CONTESTANTS, measure

ROOT = Path(__file__).parents[2]


def test_calls_over_one_connection_are_counted() -> None:
    command = [sys.executable, "-m", "bench.flood", "native", "0.2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["rate_s"] > 100
    assert set(native_calls.FLOODS.values()) == set(CONTESTANTS)


async def test_a_wrong_answer_is_no_measurement() -> None:
    async def wrong(_stack: object) -> Any:
        async def call() -> str:
            return "nonsense"

        return call

    with pytest.raises(RuntimeError, match="answered 'nonsense'"):
        await measure(wrong, "sense", 0.01)
