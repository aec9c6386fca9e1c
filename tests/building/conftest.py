"""Builders over real processes, and recipes of the shell."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from dragoman.building.builder import Builder, BuildOptions
from dragoman.building.cache import Place
from dragoman.building.code import Code
from dragoman.building.files import Files
from dragoman.building.recipe import Bench, Recipe, Step
from dragoman.building.tool import Tool
from dragoman.core.clock import SystemClock
from dragoman.sandbox.spawning import SpawnerConfinement

SHELL = Tool("sh", "apt-get install dash", ask=())
PATH = os.environ["PATH"]

MakeBuilder = Callable[..., Builder]


class Told:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.lines: list[str] = []

    def step(self, source: str, message: str) -> None:
        self.steps.append(f"{source}: {message}")

    def line(self, source: str, text: str) -> None:
        self.lines.append(f"{source}: {text}")


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def confinement() -> AsyncIterator[SpawnerConfinement]:
    confinement = SpawnerConfinement.launch()
    yield confinement
    await confinement.aclose()


@pytest.fixture
def cache_folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def make_builder(confinement: SpawnerConfinement, told: Told, cache_folder: Path) -> MakeBuilder:
    def make(**env: str) -> Builder:
        options = BuildOptions({"PATH": PATH, **env}, tuple(env), jobs=2)
        return Builder(confinement, SystemClock(), options, lambda _: [Place(cache_folder)], told)

    return make


@pytest.fixture
def code(tmp_path: Path) -> Code:
    """A source of one file, beside nothing else."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "main.txt").write_text("one")
    return Code("it", "text", folder, folder)


def recipe(code: Code, script: str = "", tools: tuple[Tool, ...] = (SHELL,), product: str = "out") -> Recipe:
    """Run a script with the source's folder as `$1` and what it makes as `$2`; by default it copies the source."""
    text = script or 'cat "$1/main.txt" > "$2"; echo built >> "$1/../builds.log"'

    def stage(bench: Bench) -> Sequence[Step]:
        shell = bench.tools["sh"].path
        return [Step((shell, "-c", text, "sh", str(code.path), str(bench.folder / "out")), code.path, "sh build")]

    return Recipe("text", Files((code.path,)), tools, stage, product)


def count(code: Code) -> int:
    """How often the default recipe was followed."""
    log = code.path.parent / "builds.log"
    return len(log.read_text().splitlines()) if log.exists() else 0
