"""The command line of the suite takes its words in any order, and refuses what it would otherwise guess about."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUEST = "conformance/guests/python"
NAME = "unary.wants-json"


def conformance(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "conformance", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "words",
    [
        (GUEST, "--only", NAME),
        ("--only", NAME, GUEST),
        (
            "--only",
            NAME,
            "--",
            "env",
            f"DRAGOMAN_SOURCE={GUEST}/service.py",
            sys.executable,
            "-P",
            "-m",
            "dragoman.guest",
        ),
    ],
    ids=["folder first", "folder last", "program"],
)
def test_words_come_in_any_order(words: tuple[str, ...]) -> None:
    done = conformance("guest", *words)
    assert "1 passed, 0 failed" in done.stdout, done.stderr
    assert done.returncode == 0


def test_a_name_that_no_case_has_is_no_success() -> None:
    for side in (("guest", GUEST), ("host",)):
        done = conformance(*side, "--only", "no-such-case")
        assert (done.returncode, done.stdout.splitlines()[-1].endswith("0 passed, 0 failed")) == (1, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("guest",), "either a folder, or --"),
        (("guest", GUEST, "--", "perl"), "either a folder, or --"),
        (("guest", "nowhere"), "nowhere has no conformance.json"),
        (("host", GUEST), "host takes nothing but --only"),
    ],
)
def test_what_makes_no_sense_is_said(words: tuple[str, ...], said: str) -> None:
    done = conformance(*words)
    assert done.returncode == 2
    assert said in done.stderr
