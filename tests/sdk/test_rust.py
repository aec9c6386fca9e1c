"""The Rust crate's own checks and tests, run as its developers run them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
RUST = REPOSITORY / "sdk" / "rust"
TEMPLATES = REPOSITORY / "src" / "dragoman" / "cli" / "templates" / "rust"


@pytest.mark.needs("cargo", "cargo-clippy", "rustfmt")
@pytest.mark.timeout(600)  # the first build of a checkout compiles the dependencies
@pytest.mark.parametrize("script", ["check.sh", "test.sh"])
def test_the_rust_crate_passes_its(script: str) -> None:
    done = subprocess.run([RUST / script], capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def packages(lock: Path) -> dict[str, str]:
    """What a lock file says of each package, by its name and version."""
    blocks = lock.read_text("utf-8").split("[[package]]\n")[1:]
    return {"\n".join(block.splitlines()[:2]): block.strip() for block in blocks}


def test_a_new_project_locks_what_the_crate_locks() -> None:
    locked = packages(TEMPLATES / "hello" / "Cargo.lock.in")
    own = locked.pop('name = "hello"\nversion = "0.1.0"')
    assert ' "dragoman"' in own
    # Without the crate's optional dependencies.
    known = packages(RUST / "Cargo.lock")
    crate = 'name = "dragoman"\nversion = "0.1.0"'
    assert {name: text for name, text in known.items() if name in locked and name != crate} == {
        name: text for name, text in locked.items() if name != crate
    }
