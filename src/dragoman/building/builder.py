"""Builds what must be built, once: by content, side by side but not too many, and never twice at the same time.

One failure is told until something has changed or a minute has passed: whoever tries a source again and again, as its
supervisor does, costs a hash of its files and no compiler.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from dragoman.building.cache import Cache, Lock, NoCache, Place, open_cache, remove
from dragoman.building.recipe import Bench, Step
from dragoman.building.step import run
from dragoman.building.tool import Found, Missing, Tool
from dragoman.core.fault import StartFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dragoman.building.code import Code
    from dragoman.building.recipe import Recipe
    from dragoman.core.clock import Clock
    from dragoman.sandbox.confinement import Confinement

FORMAT = "1"
"""Part of every key: another one, and nothing that an earlier version built is used."""
ASK_S_MAX = 20.0
"""How long a tool may take to tell its version: a JVM on a busy machine takes seconds."""
LOCK_POLL_S = 0.05
LOCK_POLLS_UNTOLD = 6
"""A lock that is held for less than this is no build, and nothing to tell of."""
RETRY_S = 60.0
"""How long a failure stands for itself: a registry that was away may be back after that."""
FAILURES_MAX = 256
CHANGES_MAX = 5
"""How often a build begins anew because its files changed under it; then somebody writes into them all the time."""
DETAIL_LINES_MAX = 40
DETAIL_CHARS_MAX = 4000
"""A screenful: the fault goes to every caller."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """`jobs` builds run at once. `env` is their whole environment; `flags` names what in it changes what they make."""

    env: Mapping[str, str]
    flags: tuple[str, ...] = ()
    jobs: int = 2


@dataclass(frozen=True, slots=True)
class Built:
    """A build in use: `folder` stays where it is until `lock` is closed."""

    folder: Path
    lock: Lock

    def close(self) -> None:
        """It is no longer used here."""
        self.lock.close()


class Said(NamedTuple):
    """What a tool says of its version, or in its place when it does not work."""

    line: str
    broken: bool = False


class Telling(Protocol):
    """Who is told how builds do."""

    def step(self, source: str, message: str) -> None:
        """Something began or ended."""
        ...

    def line(self, source: str, text: str) -> None:
        """A tool printed a line: of interest while it is the last one."""
        ...


class Builder:
    """Builds for one host, on its loop."""

    def __init__(
        self,
        confinement: Confinement,
        clock: Clock,
        options: BuildOptions,
        places: Callable[[Code], Iterable[Place]],
        tell: Telling,
    ) -> None:
        """`places` are where a source's builds may be kept, best first."""
        self._confinement = confinement
        self._clock = clock
        self._options = options
        self._places = places
        self._tell = tell.step
        self._hear = tell.line
        self._jobs = asyncio.Semaphore(options.jobs)
        self._asking: dict[str, asyncio.Task[Said]] = {}
        self._failures: dict[tuple[Path, str], tuple[float, StartFailed]] = {}

    async def look(self, tools: Iterable[Tool], *, ask: bool = True) -> tuple[dict[str, Found], list[Missing]]:
        """Find tools, and ask them for their versions where that is wanted; what is missing or too old."""
        found: dict[str, Found] = {}
        missing: list[Missing] = []
        path = self._options.env.get("PATH", "")
        for tool in tools:
            place = tool.locate(path)
            if place is None:
                missing.append(Missing(tool, f"{tool.wanted()} is needed, and is not on PATH ({path})"))
                continue
            version, broken = await self._version(tool, place) if ask and tool.ask else Said("")
            if broken:
                missing.append(Missing(tool, f"{tool.wanted()} is needed, and {place} does not work: {version}"))
                continue
            if tool.old(version):
                missing.append(Missing(tool, f"{tool.wanted()} is needed, and {place} is {version}"))
                continue
            found[tool.program] = Found(place, version)
        return found, missing

    async def find(self, source: str, tools: Iterable[Tool], *, ask: bool = False) -> dict[str, Found]:
        """The tools, all of them. Raises `StartFailed` that names each missing one and the command that installs it."""
        found, missing = await self.look(tools, ask=ask)
        if missing:
            raise StartFailed(f"{source} cannot be run: {'; '.join(map(str, missing))}")
        return found

    async def build(self, code: Code, recipe: Recipe) -> Built:
        """What a recipe makes: from the cache, or built now. Raises `StartFailed` with the compiler's own words.

        A host without the tools uses what one with them has built of the same files.
        """
        try:
            cache = await asyncio.to_thread(open_cache, self._places(code))
        except NoCache as error:
            raise StartFailed(f"{code.name} cannot be built: {error}") from error
        try:
            return await self._built(cache, code, recipe)
        finally:
            cache.close()

    async def _built(self, cache: Cache, code: Code, recipe: Recipe) -> Built:
        found, missing = await self.look(recipe.tools)
        for _ in range(CHANGES_MAX):
            content = await self._content(code, recipe)
            key = f"{content}-{self._toolchain(found)}"
            if missing:
                known = await asyncio.to_thread(cache.similar, content, recipe.product)
                if known is None:
                    raise StartFailed(f"{code.name} cannot be built: {'; '.join(map(str, missing))}")
                key = known
            lock = await self._locked(cache, key, code, recipe)
            try:
                built = await self._make(cache, (key, lock), code, recipe, found)
            except BaseException:
                lock.close()
                raise
            if built is not None and lock.share():
                await asyncio.to_thread(cache.prune, code.name, self._clock.now())
                return Built(built, lock)
            lock.close()
        raise StartFailed(f"{code.name} cannot be built: its files change while it is being built")

    async def _content(self, code: Code, recipe: Recipe) -> str:
        files = await asyncio.to_thread(recipe.files.fingerprint)
        told = [FORMAT, recipe.language, recipe.product, recipe.options, files, platform.machine()]
        return f"{code.name}-{_hash(told)[:24]}"

    def _toolchain(self, found: Mapping[str, Found]) -> str:
        env = self._options.env
        flags = {name: env[name] for name in self._options.flags if name in env}
        return _hash([{name: tool.version or tool.path for name, tool in found.items()}, flags])[:12]

    async def _locked(self, cache: Cache, key: str, code: Code, recipe: Recipe) -> Lock:
        """The lock of a key: alone to build it, shared where it is built already."""
        polls = 0
        while True:
            lock = await asyncio.to_thread(cache.lock, key)
            there = await asyncio.to_thread(cache.find, key, recipe.product) is not None
            if (lock.share() if there else lock.alone()) and cache.names(lock, key):
                return lock
            lock.close()
            polls += 1
            if polls == LOCK_POLLS_UNTOLD:
                self._tell(code.name, "another process builds it; waiting for that")
            await asyncio.sleep(LOCK_POLL_S)

    async def _make(
        self, cache: Cache, locked: tuple[str, Lock], code: Code, recipe: Recipe, found: Mapping[str, Found]
    ) -> Path | None:
        """What is there, or is built now; None where the files changed meanwhile. Raises `StartFailed`."""
        key, lock = locked
        there = await asyncio.to_thread(cache.find, key, recipe.product)
        if there is not None or lock.shared:  # shared, and gone: it was removed between the two looks
            return there
        self._raise_known(cache, key)
        async with self._jobs:
            began_at = self._clock.monotonic()
            work = await asyncio.to_thread(cache.work, key)
            try:
                keep = await asyncio.to_thread(cache.keep, recipe.language)
                await self._follow(code, recipe, Bench(work, keep, found, self._options.env))
                if not key.startswith(f"{await self._content(code, recipe)}-"):
                    return None
                place = await asyncio.to_thread(cache.publish, work, key)
            except StartFailed as fault:
                self._remember(cache, key, fault)
                raise
            except OSError as error:
                raise StartFailed(f"{code.name} cannot be built in {cache.folder}: {error}") from error
            finally:
                await asyncio.shield(asyncio.to_thread(remove, work))
        await asyncio.to_thread(cache.prune_others, self._clock.now())
        self._tell(code.name, f"built in {self._clock.monotonic() - began_at:.1f}s")
        return place

    async def _follow(self, code: Code, recipe: Recipe, bench: Bench) -> None:
        steps = await asyncio.to_thread(recipe.stage, bench)
        for step in steps:
            self._tell(code.name, f"building: {step.title}")
            try:
                outcome = await run(
                    self._confinement,
                    step,
                    self._options.env,
                    code.build_timeout_s,
                    lambda line: self._hear(code.name, line),
                )
            except OSError as error:
                raise StartFailed(f"{code.name} cannot be built: {error}") from error
            if outcome.status is None:
                limit = f"{step.title} was not done within its build_timeout of {code.build_timeout_s:g}s"
                raise StartFailed(f"{code.name} cannot be built: {limit}{_quoted(outcome.printed)}")
            if outcome.status:
                ended = f"exit code {outcome.status}" if outcome.status > 0 else f"signal {-outcome.status}"
                why = f"{step.title} ended with {ended}"
                raise StartFailed(f"{code.name} cannot be built: {why}{_quoted(outcome.printed)}")
        product = bench.folder / recipe.product
        if not await asyncio.to_thread(product.exists):
            last = steps[-1].title if steps else "its recipe"
            raise StartFailed(f"{code.name} cannot be built: {last} made no {recipe.product}")

    def _raise_known(self, cache: Cache, key: str) -> None:
        failed = self._failures.get((cache.folder, key))
        if failed is not None and self._clock.monotonic() - failed[0] < RETRY_S:
            raise StartFailed(failed[1].detail)

    def _remember(self, cache: Cache, key: str, fault: StartFailed) -> None:
        if len(self._failures) >= FAILURES_MAX:
            del self._failures[next(iter(self._failures))]
        self._failures[cache.folder, key] = (self._clock.monotonic(), fault)

    async def _version(self, tool: Tool, place: str) -> Said:
        """The first line that a tool says of its version; each is asked once in a host's life."""
        task = self._asking.get(place)
        if task is None:
            task = self._asking[place] = asyncio.ensure_future(self._ask(tool, place))
        return await asyncio.shield(task)

    async def _ask(self, tool: Tool, place: str) -> Said:
        step = Step((place, *tool.ask), Path("/"), f"{tool.program} {' '.join(tool.ask)}")
        try:
            outcome = await run(self._confinement, step, self._options.env, ASK_S_MAX)
        except OSError as error:
            return Said(error.strerror or str(error), broken=True)
        # A shim of a version manager, say, that has no version to choose. One that was killed may be well next time.
        return Said(outcome.printed.partition("\n")[0].strip(), broken=(outcome.status or 0) > 0)


def _hash(told: object) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _quoted(printed: str) -> str:
    """What a tool printed, as the end of a fault's detail: its first lines and its last."""
    lines = printed.splitlines()
    if len(lines) > DETAIL_LINES_MAX:
        half = DETAIL_LINES_MAX // 2
        lines = [*lines[:half], f"… {len(lines) - 2 * half} lines left out …", *lines[-half:]]
    text = "\n".join(lines)
    if len(text) > DETAIL_CHARS_MAX:
        half = DETAIL_CHARS_MAX // 2
        text = f"{text[:half]}\n…\n{text[-half:]}"
    return f":\n{text}" if text else ""
