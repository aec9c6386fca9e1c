"""The Node library's own checks and tests, run as its developers run them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

NODE = Path(__file__).parents[2] / "sdk" / "node"

pytestmark = pytest.mark.needs("node", "npm")


@pytest.mark.parametrize("script", ["check.sh", "test.sh"])
def test_the_node_library_passes_its(script: str) -> None:
    done = subprocess.run([NODE / script], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
