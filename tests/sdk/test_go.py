"""The Go library's own checks and tests, run as its developers run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

GO = Path(__file__).parents[2] / "sdk" / "go"

pytestmark = pytest.mark.needs("go")


@pytest.mark.parametrize("script", ["check.sh", "test.sh"])
def test_the_go_library_passes_its(script: str) -> None:
    env = os.environ | {"DRAGOMAN": str(Path(sys.executable).parent / "dragoman")}
    done = subprocess.run([GO / script], env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
