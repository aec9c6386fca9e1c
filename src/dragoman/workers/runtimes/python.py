"""Python workers: an interpreter with the guest as its main module.

The one that runs the host, or, for a source with requirements of its own, one in an environment that uv makes for it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.building.files import Files
from dragoman.sandbox.confinement import Launch, Limits
from dragoman.workers.runtimes import environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dragoman.building.code import Code
    from dragoman.building.recipe import Recipe
    from dragoman.building.tool import Tool
    from dragoman.workers.runtimes.runtime import Site

GUEST = "dragoman.guest"
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(4 * 1024 * 1024), "MALLOC_TRIM_THRESHOLD_": str(16 * 1024 * 1024)}
"""Have glibc keep up to 16 MB of freed memory: a body of 1 MB otherwise costs a page fault for each of its pages, in
every call, which is most of what it costs at all."""


@dataclass(frozen=True, slots=True)
class PythonRuntime:
    """The port's, for Python files and packages."""

    tools: tuple[Tool, ...] = ()
    concurrency: int = 1
    """Plain functions run one after another in a worker; async ones can do better, and their authors say so."""

    def files(self, code: Code) -> Files:
        """Whatever the source may import of what lies beside or below it."""
        listed = [Path(each) for each in code.requirements if each.startswith("/")]
        return Files((code.path, code.path.parent, *listed), suffixes=(".py",))

    def recipe(self, code: Code) -> Recipe | None:
        """An environment, where the source asks for one of its own; else nothing is built."""
        return environment.recipe(code)

    def launch(self, code: Code, site: Site) -> Launch:
        """A worker for one file or package."""
        interpreter = sys.executable if site.built is None else str(site.built / environment.INTERPRETER)
        return launch(code.path, code.folder, site.env, site.limits, interpreter)


def zygote(worker: Launch, preload: Sequence[str], *, fork_safe: bool) -> Launch:
    """A process that forks what `worker` would start, once it has imported the modules `preload` too."""
    told = {"DRAGOMAN_PRELOAD": ",".join(preload), "DRAGOMAN_FORK_SAFE": "1" if fork_safe else ""}
    argv = tuple("dragoman.guest.zygote" if each == GUEST else each for each in worker.argv)
    return replace(worker, argv=argv, env={**worker.env, **told})


def launch(
    path: Path, folder: Path, env: Mapping[str, str], limits: Limits, interpreter: str = sys.executable
) -> Launch:
    """A worker for one Python file, started in its project's folder. `env` is its whole environment."""
    return Launch(
        argv=(interpreter, "-P", "-m", GUEST),
        env={**MALLOC, **env, "DRAGOMAN_SOURCE": str(path)},
        cwd=str(folder),
        limits=limits,
    )
