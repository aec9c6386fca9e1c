"""How something is built: from which files, by which tools, in which steps.

A runtime writes the recipe; the builder decides whether it must be followed, and where.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.building.files import Files
    from dragoman.building.tool import Found, Tool


@dataclass(frozen=True, slots=True)
class Step:
    """One program to run in the course of a build. `env` comes over the build's environment.

    `title` is what people are told: the words they would type.
    """

    argv: tuple[str, ...]
    cwd: Path
    title: str
    env: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a build takes place.

    `folder` is empty and private; once all is well it is moved, whole, to where it stays, so nothing in it may name it.
    `keep` is a folder of this recipe's language that stays from build to build, for the caches of its tools: several
    builds may use it at once. `env` is the environment that the steps run in.
    """

    folder: Path
    keep: Path
    tools: Mapping[str, Found]
    env: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to build one source.

    What is built is the same whenever the contents of `files`, the versions of `tools` and the `options` are: that is
    its key in the cache. `stage` writes what is needed into the bench (in a thread, it may block and raise
    `StartFailed`) and says what to run there. `product` is what must be there in the end, relative to the folder.
    """

    language: str
    files: Files
    tools: tuple[Tool, ...]
    stage: Callable[[Bench], Sequence[Step]]
    product: str
    options: tuple[str, ...] = ()
