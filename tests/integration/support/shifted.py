"""Dragoman on a machine whose clock others may set: `shifted.py FILE PYTHON -m dragoman …`.

The file says by how many seconds the clock is wrong now. Only the host has this clock, not its workers.
"""

from __future__ import annotations

import os
import runpy
import sys
import time


def main() -> None:
    said = os.open(sys.argv[1], os.O_RDONLY)
    right, right_ns = time.time, time.time_ns

    def wrong_s() -> int:
        return int(os.pread(said, 32, 0).split()[0])

    time.time = lambda: right() + wrong_s()
    time.time_ns = lambda: right_ns() + wrong_s() * 10**9
    assert sys.argv[3:5] == ["-m", "dragoman"]
    sys.argv[:] = ["dragoman", *sys.argv[5:]]
    runpy.run_module("dragoman", run_name="__main__", alter_sys=True)


main()
