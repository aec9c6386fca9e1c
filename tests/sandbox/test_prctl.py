"""Process attributes, seen through /proc by the process that set them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dragoman.sandbox import prctl

CODE = """
import sys
sys.path.insert(0, sys.argv[1])
from dragoman.sandbox import prctl
prctl.forbid_new_privileges()
prctl.adopt_orphans()
prctl.hide_memory()
prctl.die_with_parent(9)
prctl.rename("a-name-that-is-too-long")
print(open("/proc/self/status").read())
try:
    prctl._prctl(12345, 0)
except OSError as error:
    print(error)
"""


def test_attributes_take_hold_and_a_refusal_is_an_error() -> None:
    root = str(Path(prctl.__file__).parents[2])
    code = (sys.executable, "-I", "-S", "-c", CODE, root)
    told = subprocess.run(code, capture_output=True, text=True, check=True, timeout=20).stdout
    assert "NoNewPrivs:\t1" in told
    assert "Name:\ta-name-that-is-\n" in told
    assert "prctl(12345, 0): Invalid argument" in told
