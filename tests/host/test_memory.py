"""Memory kept for the next call, in a process of its own: the setting is for ever."""

import subprocess
import sys

PROGRAM = """
import time
from dragoman.host.memory import keep_freed_memory

def faults() -> int:
    with open("/proc/self/stat") as stat:
        return int(stat.read().rpartition(")")[2].split()[7])

def cost() -> int:
    before = faults()
    for _ in range(50):
        body = bytes(1_000_000)
        body = b""
    return faults() - before

cost()
plain = cost()
assert keep_freed_memory()
cost()
print(plain, cost())
"""


def test_a_freed_megabyte_is_there_for_the_next() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=30)
    plain, kept = map(int, done.stdout.split())
    assert kept < 50, f"page faults for 50 MB: {plain} without, {kept} with memory kept"
