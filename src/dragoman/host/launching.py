"""A source's way to a worker: its tools found, its code built where that is needed, and the command line that results.

Done once, before its first worker; every later worker of the same pool is started the same way, whatever has changed
on disk since: that is a reload's business.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from dragoman.building.code import Code
from dragoman.building.files import Files
from dragoman.core.event import Progress
from dragoman.core.fault import Fault, StartFailed
from dragoman.host.compiled import Compiled, sweep
from dragoman.workers.runtimes import python
from dragoman.workers.runtimes.languages import RUNTIMES
from dragoman.workers.runtimes.runtime import Site

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.building.builder import Builder, Built
    from dragoman.building.tool import Tool
    from dragoman.config.project import Source
    from dragoman.host.journal import Journal
    from dragoman.sandbox.confinement import Launch


COMPILING = frozenset({"node", "typescript"})
"""Languages whose runtime compiles what it loads, and can keep that for the next process."""


def code_of(source: Source) -> Code:
    """A guest's code, as its runtime and the builder see it."""
    assert source.path is not None
    return Code(
        source.name,
        source.language,
        source.path,
        source.folder,
        source.home,
        source.requirements,
        source.python,
        source.build_timeout_s,
    )


def files_of(source: Source) -> Files:
    """The files that a guest's source consists of: all in its folder, where its runtime cannot tell yet."""
    code = code_of(source)
    try:
        return RUNTIMES[source.language].files(code)
    except (Fault, OSError):
        return Files((code.path,))


def tools_of(source: Source) -> tuple[Tool, ...]:
    """The tools that a guest's source is built and run with."""
    runtime = RUNTIMES[source.language]
    try:
        recipe = runtime.recipe(code_of(source))
    except (Fault, OSError):
        recipe = None  # why, is said where it is started
    return (*runtime.tools, *(recipe.tools if recipe else ()))


class Launching:
    """The launch of one guest source; call it for each worker, and close it when no more are started."""

    def __init__(self, source: Source, env: Mapping[str, str], builder: Builder) -> None:
        """`env` is the whole environment of its workers."""
        self._source = source
        self._env = env
        self._builder = builder
        self._turn = asyncio.Lock()
        self._launch: Launch | None = None
        self._built: Built | None = None
        self._compiled: Compiled | None = None
        self.prepared = False

    async def __call__(self) -> Launch:
        """How a worker is started. Raises `StartFailed` where something is missing, or cannot be built."""
        if self._launch is not None and self._is_there():
            return self._launch
        async with self._turn:
            if self._launch is None or not self._is_there():
                self._launch = await self._prepared()
            return self._launch

    async def zygote(self) -> Launch:
        """How a process is started that forks workers. Raises as a call does."""
        source = self._source
        return python.zygote(await self(), source.preload, fork_safe=source.fork_safe)

    def close(self) -> None:
        """No more workers: what was built may be removed from the cache. Harmless when repeated."""
        if self._built is not None:
            self._built.close()
            self._built = None
        if self._compiled is not None:
            self._compiled.close()
            self._compiled = None

    def _is_there(self) -> bool:
        """Whether what was built still is: somebody may have cleared the cache by hand."""
        return self._built is None or self._built.folder.exists()

    async def _prepared(self) -> Launch:
        try:
            return await self._prepare()
        except Fault:
            raise
        except Exception as error:  # a runtime reads the user's files: whatever is wrong there is that source's failure
            raise StartFailed(f"{self._source.name} cannot be prepared: {type(error).__name__}: {error}") from error
        finally:
            self.prepared = True

    async def _prepare(self) -> Launch:
        source, code = self._source, code_of(self._source)
        runtime = RUNTIMES[source.language]
        tools = await self._builder.find(source.name, runtime.tools)
        recipe = runtime.recipe(code)
        if recipe is not None:
            self.close()
            self._built = await self._builder.build(code, recipe)
        folder = None if self._built is None else self._built.folder
        launch = runtime.launch(code, Site(folder, tools, self._env, source.limits))
        if source.mode != "fork" or source.language not in COMPILING:
            return launch
        # Of this pool alone: nobody else can put code there.
        if self._compiled is None:
            await asyncio.to_thread(sweep)
            self._compiled = Compiled()
        return replace(launch, env={**launch.env, "DRAGOMAN_COMPILED": str(self._compiled.folder)})


class BuildTelling:
    """Tells the journal how builds do: steps are noted, lines are progress."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def step(self, source: str, message: str) -> None:
        """Note that something began or ended."""
        self._journal.note("info", message, source, 0)

    def line(self, source: str, text: str) -> None:
        """Show what a tool does now, where somebody looks."""
        self._journal.event(source, 0, None, Progress(0.0, text))
