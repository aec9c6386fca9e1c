"""The port of a language: what it needs on the machine, how its sources are built, and how a worker of one is started.

One module per language implements it, as a frozen dataclass, and `languages.py` lists them. `go.py` is the one to copy.
What a runtime must know, in the order in which it is asked:

1. `tools` are the programs without which no worker of it can run (`node`, `java`); those that only build (`go`,
   `cargo`, `javac`) belong to the recipe. Each `Tool` says the command that installs it.
2. `files(code)` are the files that a worker runs or is made of: `--watch` looks at them.
3. `recipe(code)` says how to build the source, or None where it runs as it is. The builder follows it only if nothing
   of the same content, options and tool versions is in the cache.
4. `launch(code, site)` is the command line of a worker.

Each may raise `StartFailed`, whose detail goes to the user, for code that this language cannot be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dragoman.building.code import Code
    from dragoman.building.files import Files
    from dragoman.building.recipe import Recipe
    from dragoman.building.tool import Found, Tool
    from dragoman.sandbox.confinement import Launch, Limits

GUEST_CONCURRENCY = 16
"""Calls in flight in one worker of a language whose functions run side by side by nature: with fewer, calls that wait
for something would need more processes than they are worth; many more, and one worker's end takes them all with it."""


@dataclass(frozen=True, slots=True)
class Site:
    """What a worker is started with.

    `built` is the folder that the recipe filled, if there was one; it stays as it is. `tools` are those of the runtime
    and of the recipe, by program. `env` is the worker's whole environment; `limits` are put on it by whoever starts it,
    and a runtime with a heap of its own sizes that by `limits.memory_bytes`.
    """

    built: Path | None
    tools: Mapping[str, Found]
    env: Mapping[str, str]
    limits: Limits


class Runtime(Protocol):
    """One language's."""

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The programs that its workers need on this machine."""
        ...

    @property
    def concurrency(self) -> int:
        """How many calls run at once in one of its workers, where nobody says."""
        ...

    def files(self, code: Code) -> Files:
        """The files whose change is a change of the source. Does not block for long; they may be gone."""
        ...

    def recipe(self, code: Code) -> Recipe | None:
        """How the source is built. May read a few files of it."""
        ...

    def launch(self, code: Code, site: Site) -> Launch:
        """How a worker is started. May read a few files of the source."""
        ...
