"""The OpenAPI document is true: whatever it allows is answered as it says, whatever it does not is refused."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import run
from typing import NamedTuple

import pytest

from tests.integration.web import SOURCES, Web, serving

SECONDS_MAX = 280
"""It takes ten on an idle machine; what counts is what it finds."""
EXAMPLES = 25
"""For each operation and phase; a longer look is one command: see docs/reference/http.md."""


class Found(NamedTuple):
    code: int
    said: str


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving(SOURCES / "rich.py") as served:
        yield served


def schemathesis(url: str, cwd: Path, *options: str) -> Found:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--no-color", *options]
    done = run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False, cwd=cwd)
    return Found(done.returncode, done.stdout + done.stderr)


@pytest.mark.timeout(300)
def test_schemathesis_finds_nothing(web: Web, tmp_path: Path) -> None:
    found = schemathesis(
        web.url,
        tmp_path,
        "--checks=all",
        # DELETE cancels a task, which can be looked at all the same.
        "--exclude-checks=use_after_free",
        "--mode=all",
        f"--max-examples={EXAMPLES}",
        "--seed=7",
        "--suppress-health-check=all",
    )
    assert found.code == 0, found.said
    assert web.metric("dragoman_calls_in_flight") == 0
