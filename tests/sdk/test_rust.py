"""The Rust crate's own checks and tests, run as its developers run them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

RUST = Path(__file__).parents[2] / "sdk" / "rust"

pytestmark = pytest.mark.needs("cargo")


@pytest.mark.timeout(600)  # the first build of a checkout compiles the dependencies
@pytest.mark.parametrize("script", ["check.sh", "test.sh"])
def test_the_rust_crate_passes_its(script: str) -> None:
    done = subprocess.run([RUST / script], capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
