"""`python -m tools.check`: every static check in turn, all of them, and a table of what failed.

One run shows everything that is wrong: a formatting slip must not hide a type error until the next try.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
PYTHON = sys.executable


class Step(NamedTuple):
    """One check: its name, its command, and what mends what it finds."""

    name: str
    command: tuple[str, ...]
    remedy: str


STEPS = (
    Step("format", (str(BIN / "ruff"), "format", "--check", "--quiet", "."), "make fix"),
    Step("lint", (str(BIN / "ruff"), "check", "--quiet", "."), "make fix, then by hand"),
    Step("types", (str(BIN / "pyright"),), "by hand; `# pyright: ignore[rule] - why` where the checker is wrong"),
    Step("imports", (str(BIN / "lint-imports"), "--no-logo", "--no-cache"), "see ARCHITECTURE.md, Rooms"),
    Step("tidy", (PYTHON, "-m", "tools.tidy"), "see CONTRIBUTING.md, Style"),
    Step("docs", (PYTHON, "-m", "tools.docs", "--check"), "make docs"),
    Step("lock", ("sh", "-c", "PATH=.uv/bin:$PATH uv lock --check --quiet"), "uv lock"),
)


def run(step: Step) -> bool:
    """Run one check, show what it prints where it fails, and say how it went."""
    start = time.monotonic()
    done = subprocess.run(step.command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout + done.stderr, end="", flush=True)
    verdict = "ok" if done.returncode == 0 else f"FAILED (to mend: {step.remedy})"
    print(f"check: {step.name:8} {time.monotonic() - start:5.1f} s  {verdict}", flush=True)
    return done.returncode == 0


def main(steps: tuple[Step, ...] = STEPS) -> int:
    """Run the checks; 1 if any failed."""
    failed = [step.name for step in steps if not run(step)]
    print(f"check: {', '.join(failed)} failed" if failed else "check: all passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
