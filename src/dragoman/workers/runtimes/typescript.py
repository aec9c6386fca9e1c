"""TypeScript workers: a module whose types are read for its contracts, and which is compiled, before Node runs it.

The compiler is `typescript` itself: the one of the user's package, or one that npm fetches, as locked, into the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.building.recipe import Bench, Recipe, Step
from dragoman.building.shipped import sdk
from dragoman.workers.runtimes.node import NODE, NPM, files, install, installed, launch, package_of
from dragoman.workers.runtimes.runtime import GUEST_CONCURRENCY, Site

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.building.code import Code
    from dragoman.building.files import Files
    from dragoman.building.tool import Tool
    from dragoman.sandbox.confinement import Launch

PRODUCT = "contracts.json"


@dataclass(frozen=True, slots=True)
class TypeScriptRuntime:
    """The port's, for one module, or a folder with a `package.json` or an index."""

    tools: tuple[Tool, ...] = (NODE,)
    concurrency: int = GUEST_CONCURRENCY

    def files(self, code: Code) -> Files:
        """Whatever the module may import of what lies in its package, or beside it."""
        return files(code)

    def recipe(self, code: Code) -> Recipe:
        """Dependencies, where nobody has installed them; then the types and the code."""
        package = package_of(code)
        root = package or code.root

        def stage(bench: Bench) -> Sequence[Step]:
            there = package is None or installed(package, declares_types)
            steps = [] if package is None or there else [install(package, bench, declares_types)]
            program = sdk("node") / "src" / "typescript" / "build.js"
            places = (str(code.path), str(root), str(bench.folder), str(bench.keep))
            argv = (bench.tools["node"].path, str(program), *places, bench.tools["npm"].path)
            home = {} if bench.env.get("HOME") else {"HOME": str(bench.keep)}
            return [*steps, Step(argv, code.root, f"tsc {code.path.name}", home)]

        return Recipe(
            "typescript", self.files(code), (NODE, NPM), stage, PRODUCT, (code.path.relative_to(root).as_posix(),)
        )

    def launch(self, code: Code, site: Site) -> Launch:
        """As for any module."""
        return launch(code, site)


def declares_types(name: str) -> bool:
    """Whether a package that is for development only must be there: without it, what it declares has no types.

    Those of Node itself come with the compiler.
    """
    return name.startswith("@types/") and name != "@types/node"
