"""Workers of any language: a program that speaks the wire itself, as `proto/SPEC.md` tells.

Nothing is built, and nothing is known of the language: READY says what it is. It is how a language is added without a
word of Dragoman's own code, and how a guest library is tried while it is being written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.building.files import Files
from dragoman.sandbox.confinement import Launch

if TYPE_CHECKING:
    from dragoman.building.code import Code
    from dragoman.building.recipe import Recipe
    from dragoman.building.tool import Tool
    from dragoman.workers.runtimes.runtime import Site


@dataclass(frozen=True, slots=True)
class WireRuntime:
    """The port's, for an executable file."""

    tools: tuple[Tool, ...] = ()
    concurrency: int = 1
    """Nobody knows whether it can do better; who does, says so."""

    def files(self, code: Code) -> Files:
        """The file itself."""
        return Files((code.path,))

    def recipe(self, code: Code) -> Recipe | None:  # noqa: ARG002 - the port's signature
        """Nothing is built."""
        return None

    def launch(self, code: Code, site: Site) -> Launch:
        """The program, without arguments."""
        return Launch(argv=(str(code.path),), env=site.env, cwd=str(code.folder), limits=site.limits)
