"""What every test may rely on: the system programs that it names by `needs`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

pytest.register_assert_rewrite("dragoman.testing.task_store")

PACKAGES = {
    "awk": "gawk",
    "cargo": "cargo",
    "cargo-clippy": "rust-clippy",
    "gawk": "gawk",
    "curl": "curl",
    "git": "git",
    "go": "golang-go",
    "mosquitto": "mosquitto",
    "mvn": "maven",
    "npm": "npm",
    "javac": "default-jdk-headless",
    "jq": "jq",
    "node": "nodejs",
    "openssl": "openssl",
    "perl": "perl",
    "rabbitmq-server": "rabbitmq-server",
    "wrk": "wrk",
}
"""The Debian package of each program that a test may need."""

OWN = Path(sys.executable).parent
if (OWN / "go").exists():
    # Toolchains from PyPI, where the machine has none that will do (tools/toolchains.sh).
    os.environ["PATH"] = f"{OWN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"

RUST = {
    "CARGO_BUILD_BUILD_DIR": str(Path(__file__).parents[1] / "sdk" / "rust" / "target" / "shared"),
    "CARGO_INCREMENTAL": "0",
    "CARGO_PROFILE_DEV_DEBUG": "line-tables-only",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
}
"""What all tests compile in Rust has one folder and one way, so that dependencies are compiled once, and quickly."""
for name, value in RUST.items():
    os.environ.setdefault(name, value)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose programs are missing, with the command that installs them; in CI that is a failure."""
    for marker in item.iter_markers("needs"):
        programs: tuple[str, ...] = marker.args
        missing = [program for program in programs if shutil.which(program) is None]
        if not missing:
            continue
        packages = " ".join(sorted({PACKAGES.get(program, program) for program in missing}))
        reason = f"needs {', '.join(missing)}: apt-get install {packages}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
