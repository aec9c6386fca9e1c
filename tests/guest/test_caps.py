"""Libraries that start threads by themselves, in a process that is to be forked."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dragoman.guest.caps import CAPS, Caps

PROCESSORS = len(os.sched_getaffinity(0))
PROGRAM = """
import os, sys
from dragoman.guest.caps import Caps
from dragoman.guest.fitness import thread_count

caps = Caps(os.environ)
import numpy
seen = [thread_count()]
caps.lift()
seen.append(thread_count())
for _ in range(2):
    reader, writer = os.pipe()
    if os.fork() == 0:
        numpy.ones((700, 700)) @ numpy.ones((700, 700))
        os.write(writer, b"%d" % thread_count())
        os._exit(0)
    seen.append(int(os.read(reader, 9)))
    os.wait()
print(seen, os.environ.get("OPENBLAS_NUM_THREADS"), flush=True)
os._exit(0)
"""


def test_the_environment_is_capped_and_then_as_it_was() -> None:
    environment = {"OMP_NUM_THREADS": "3,2", "HOME": "/"}
    caps = Caps(environment)
    assert environment == {**CAPS, "HOME": "/"}
    caps.lift()
    assert environment == {"OMP_NUM_THREADS": "3,2", "HOME": "/"}


@pytest.mark.parametrize(("said", "threads"), [(None, PROCESSORS), ("1", 1), ("3", 3)])
def test_copies_have_the_threads_that_they_would_have_had(said: str | None, threads: int) -> None:
    pytest.importorskip("numpy")
    env = {"PATH": os.environ["PATH"]} | ({} if said is None else {"OPENBLAS_NUM_THREADS": said})
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert told.strip() == f"[1, 1, {threads}, {threads}] {said}"
