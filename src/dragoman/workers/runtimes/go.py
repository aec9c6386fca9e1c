"""Go workers: a package built to one program by `go build`, against the guest library that comes with Dragoman.

The user's own `go.mod` is never touched: the build uses a copy of it (`-modfile`) in which the library is replaced by
the shipped one, and which `go` may complete; the modules of a workspace are replaced by their folders there, since a
workspace and such a copy exclude one another. A file by itself gets a module made for it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.building.files import Files
from dragoman.building.recipe import Bench, Recipe, Step
from dragoman.building.shipped import sdk
from dragoman.building.tool import Tool
from dragoman.core.fault import StartFailed
from dragoman.sandbox.confinement import Launch
from dragoman.workers.runtimes.runtime import GUEST_CONCURRENCY, Site

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dragoman.building.code import Code

MODULE = "github.com/dragoman/dragoman/sdk/go"
GO = Tool("go", "apt-get install golang-go, or a newer one from https://go.dev/dl", (1, 23), ("version",))
"""1.23 has the iterators that streams are."""
PRODUCT = "worker"
IGNORED = frozenset({"node_modules"})
MOD_BYTES_MAX = 1024 * 1024
LOCAL = re.compile(r'=>\s*("?)(\.\.?/[^\s"]*|/[^\s"]*)\1', re.ASCII)
"""A replacement by a folder: its files are part of the program."""
USE = re.compile(r'^(?:use[ \t]+|[ \t]+)"?((?:\.{0,2}/|\.)[^\s"()]*)"?', re.MULTILINE | re.ASCII)
"""A folder that a workspace uses, on a line of its own or in a block. Replacements have a name before the folder."""
MODULE_LINE = re.compile(r'^module\s+"?([^\s"]+)', re.MULTILINE | re.ASCII)
GO_LINE = re.compile(r"^go\s+(\S+)", re.MULTILINE | re.ASCII)
MEMORY_SHARE = 0.9
"""Of a memory limit, what the collector is told to stay under: stacks and maps come on top."""


@dataclass(frozen=True, slots=True)
class GoRuntime:
    """The port's, for a package's folder or one file."""

    tools: tuple[Tool, ...] = ()
    concurrency: int = GUEST_CONCURRENCY

    def files(self, code: Code) -> Files:
        """The module that the package is in, the folders that replace others in it, and the guest library."""
        module = module_of(code)
        if module is None:
            return Files((code.path, sdk("go")))
        beside = [folder for folder in used(module).values() if folder != module]
        return Files((module, *dict.fromkeys((*replacements(module), *beside)), sdk("go")), IGNORED)

    def recipe(self, code: Code) -> Recipe | None:
        """`go build`."""

        def stage(bench: Bench) -> Sequence[Step]:
            return _stage(code, bench)

        module = module_of(code)
        package = code.path.relative_to(module).as_posix() if module else code.path.name
        return Recipe("go", self.files(code), (GO,), stage, PRODUCT, (package,))

    def launch(self, code: Code, site: Site) -> Launch:
        """The program itself."""
        assert site.built is not None
        env = dict(site.env)
        if site.limits.memory_bytes:
            env.setdefault("GOMEMLIMIT", str(int(site.limits.memory_bytes * MEMORY_SHARE)))
        return Launch(argv=(str(site.built / PRODUCT),), env=env, cwd=str(code.folder), limits=site.limits)


def module_of(code: Code) -> Path | None:
    """The folder of the module that the code is in: with the nearest `go.mod`; None for a file without one."""
    start = code.root
    return next((folder for folder in (start, *start.parents) if (folder / "go.mod").is_file()), None)


def replacements(module: Path) -> list[Path]:
    """The folders that a module takes other modules from."""
    found = (match[2] for match in LOCAL.finditer(_read(module / "go.mod")))
    folders = [(module / text).resolve() for text in found]
    return [folder for folder in folders if folder.is_dir() and folder != sdk("go")]


def used(module: Path) -> dict[str, Path]:
    """The modules of the workspace (`go.work`) that a module is in, by their names, but for the guest library."""
    work = next((folder / "go.work" for folder in (module, *module.parents) if (folder / "go.work").is_file()), None)
    if work is None:
        return {}
    folders = [(work.parent / text).resolve() for text in USE.findall(_read(work))]
    named = {name[1]: folder for folder in folders if (name := _module_line(folder)) is not None}
    return {name: folder for name, folder in named.items() if name != MODULE} if module in folders else {}


def _module_line(folder: Path) -> re.Match[str] | None:
    file = folder / "go.mod"
    return MODULE_LINE.search(_read(file)) if file.is_file() else None


def _stage(code: Code, bench: Bench) -> list[Step]:
    library, module = sdk("go"), module_of(code)
    build = (bench.tools["go"].path, "build", "-buildvcs=false", "-o", str(bench.folder / PRODUCT))
    title = f"go build {code.path.name}"
    env = {"GOTOOLCHAIN": "local", "GOWORK": "off", **caches(bench)}
    if module is None:
        if code.path.is_dir():
            raise StartFailed(f"{code.path} has no go.mod, nor has a folder above it: run go mod init {code.path.name}")
        own = GO_LINE.search(_read(library / "go.mod"))
        _write_mod(bench.folder, f"module worker\n\ngo {own[1] if own else '1.23'}\n", {MODULE: library})
        return [Step((*build, "-mod=mod", str(code.path)), bench.folder, title, env)]
    package = "./" + (code.path.relative_to(module)).as_posix()
    if (module / "vendor").is_dir():
        return [Step((*build, "-mod=vendor", package), module, title, env)]
    beside = {name: folder for name, folder in used(module).items() if folder != module}
    _write_mod(bench.folder, _read(module / "go.mod"), {**beside, MODULE: library})
    if (module / "go.sum").is_file():
        (bench.folder / "go.sum").write_bytes((module / "go.sum").read_bytes())
    return [Step((*build, "-mod=mod", f"-modfile={bench.folder / 'go.mod'}", package), module, title, env)]


def caches(bench: Bench) -> Mapping[str, str]:
    """Where Go's own caches go: where the user has them, or beside our builds where the user has none."""
    env = bench.env
    home = env.get("XDG_CACHE_HOME") or env.get("HOME", "")
    if env.get("GOCACHE") or (home and os.access(home, os.W_OK)):
        return {}
    return {"GOCACHE": str(bench.keep / "build"), "GOPATH": str(bench.keep / "path")}


def _write_mod(folder: Path, text: str, places: Mapping[str, Path]) -> None:
    """Write a `go.mod` in which some modules are those in these folders, whatever the text says of them."""
    lines: list[str] = []
    within = False
    for line in text.splitlines():
        words = line.split()
        if words[:2] == ["replace", "("]:
            within = True
        elif within and words[:1] == [")"]:
            within = False
        replaced = words[1:2] if words[:1] == ["replace"] else words[:1] if within else []
        if not replaced or replaced[0] not in places:
            lines.append(line)
    if not any(MODULE in line for line in lines):
        lines.append(f"require {MODULE} v0.1.0")
    lines += [f'replace {name} => "{place}"' for name, place in places.items()]
    (folder / "go.mod").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MOD_BYTES_MAX).decode("utf-8", "replace")
    except OSError as error:
        raise StartFailed(f"{path} cannot be read: {error.strerror}") from error
