"""As many descriptors are asked for as connections need, and what is not given is known."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from dragoman.ingress.http.descriptors import room_for
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
print(room_for(int(sys.argv[3])), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "room", "soft_then"),
    [
        (1024, 4096, 100, 100, 1024),
        (1024, 4096, 2000, 2000, 2256),
        (1024, 4096, 10_000, 3840, 4096),
        (1024, 1024, 10_000, 768, 1024),
        (100, 100, 10_000, 25, 100),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_it_may(
    soft: int, hard: int, connections: int, room: int, soft_then: int
) -> None:
    command = [sys.executable, "-c", SCRIPT, *map(str, (soft, hard, connections))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == [str(room), str(soft_then), str(hard)]
