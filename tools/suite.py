"""`python -m tools.suite`: all tests, in two halves side by side, or those that the arguments name.

Most of what spans rooms waits: for leases, for servers that are killed and come back. Meanwhile the rest can run. The
second half is shown when the first has ended, so that no two reports are mixed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from dragoman.sandbox.prctl import die_with_parent

ROOT = Path(__file__).parents[1]
PYTEST = (sys.executable, "-m", "pytest")


class Half(NamedTuple):
    """A part of the tests: what it is called, and where they are, for pytest."""

    name: str
    places: tuple[str, ...]


HALVES = (
    Half("what spans rooms", ("tests/integration",)),
    Half("room by room", ("tests", "--ignore=tests/integration")),
)


def main(arguments: list[str], halves: tuple[Half, Half] = HALVES, root: Path = ROOT) -> int:
    """Run the tests; 0 if all passed."""
    if arguments:
        return subprocess.run([*PYTEST, *arguments], cwd=root, check=False).returncode
    print("test: two halves side by side:", ", then ".join(half.name for half in halves), flush=True)
    with tempfile.TemporaryFile() as output:
        later = _start(halves[1], root, output.fileno())
        first = _start(halves[0], root).wait()
        second = later.wait()
        print(f"test: {halves[1].name}", flush=True)
        output.seek(0)
        sys.stdout.buffer.write(output.read())
        sys.stdout.flush()
    for half, status in zip(halves, (first, second), strict=True):
        print(f"test: {half.name}: {'passed' if status == 0 else f'FAILED ({status})'}", flush=True)
    return first or second


def _start(half: Half, root: Path, output: int | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*PYTEST, *half.places],
        cwd=root,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        preexec_fn=lambda: die_with_parent(signal.SIGINT),  # noqa: PLW1509 - one call that takes no lock
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
