"""A host of hard contracts, and clients of it, generated, built and run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import pytest

PROGRAMS = Path(__file__).parent / "programs"
REPOSITORY = Path(__file__).parents[2]
BUILD_S = 300.0


class Shop(NamedTuple):
    """The addresses of a host that serves `shop.py`."""

    native: str
    http: str


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Generator[Shop]:
    """One host for the clients of all languages."""
    socket = f"unix://{tmp_path_factory.mktemp('shop')}/shop.sock"
    command = [sys.executable, "-m", "dragoman", "serve", str(PROGRAMS / "shop.py"), "--native", socket, "--port", "0"]
    with subprocess.Popen(
        [*command, "--json", "--log", "error", "--exit-with-stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as host:
        assert host.stdin is not None
        assert host.stdout is not None
        ready = json.loads(host.stdout.readline())
        yield Shop(ready["native"][0], ready["url"])
        host.stdin.close()


def generated(shop: Shop, language: str, out: Path, *options: str) -> str:
    """Generate a client by the command; what it says on standard error."""
    command = [
        sys.executable,
        "-m",
        "dragoman",
        "generate",
        "--url",
        shop.native,
        "--language",
        language,
        "--out",
        str(out),
    ]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def program(folder: Path, name: str, **changes: str) -> Path:
    """A program that uses the client, put where it is built."""
    folder.mkdir(parents=True, exist_ok=True)
    source = PROGRAMS / name
    text = (source if source.exists() else PROGRAMS / f"{name}.in").read_text("utf-8")
    for mark, value in changes.items():
        text = text.replace(f"${mark.upper()}", value)
    (folder / name).write_text(text, "utf-8")
    return folder / name


def run(folder: Path, *command: str | Path, **env: str) -> str:
    """Run a tool or a program; what it prints."""
    base = {**os.environ, **env}
    done = subprocess.run(command, cwd=folder, env=base, capture_output=True, text=True, timeout=BUILD_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def node_modules(folder: Path) -> Path:
    """What the package for Node is tested with, and that package itself, as a project finds them; the tools."""
    sdk = REPOSITORY / "sdk" / "node"
    if not (sdk / "node_modules").is_dir():
        run(sdk, "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")
    (folder / "node_modules").mkdir(parents=True)
    (folder / "node_modules" / "dragoman").symlink_to(sdk)
    for name in (".bin", "@types", "undici-types"):
        (folder / "node_modules" / name).symlink_to(sdk / "node_modules" / name)
    shutil.copy(PROGRAMS / "tsconfig.json", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder / "node_modules" / ".bin"
