"""Rust workers: a crate built to one program by `cargo build --release`, against the library that comes with Dragoman.

The user's own `Cargo.toml` is never touched: the command line tells cargo that the crate `dragoman` is the shipped one.
A file by itself gets a package made for it, with the library's own lock file, so that it builds without a registry once
the few crates of that are there. All builds of a user share one folder for what lies between, so that only the first
of all compiles the dependencies.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
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
    from collections.abc import Iterator, Mapping, Sequence

    from dragoman.building.code import Code

CARGO = Tool("cargo", "apt-get install cargo (Debian 12: cargo-web), or curl -sSf https://sh.rustup.rs | sh", (1, 85))
PRODUCT = "worker"
MANIFEST = "Cargo.toml"
LOCK = "Cargo.lock"
IGNORED = frozenset({"target", "node_modules"})
MANIFEST_BYTES_MAX = 1024 * 1024
PACKAGES_MAX = 200
"""Packages of one workspace that are looked at for further folders; past it a whole registry lies beside the code."""
OUT = "out"
LONE_MANIFEST = """\
[package]
name = "worker"
version = "0.0.0"
edition = "2021"

[[bin]]
name = "worker"
path = {path}

[dependencies]
dragoman = "0.1"
futures-core = {{ version = "0.3", default-features = false }}
schemars = "1"
serde = {{ version = "1", features = ["derive"] }}
serde_json = "1"

[workspace]
"""
LONE_LOCK = """
[[package]]
name = "worker"
version = "0.0.0"
dependencies = [
 "dragoman",
 "futures-core",
 "schemars",
 "serde",
 "serde_json",
]
"""


@dataclass(frozen=True, slots=True)
class RustRuntime:
    """The port's, for a package's folder or one file."""

    tools: tuple[Tool, ...] = ()
    concurrency: int = GUEST_CONCURRENCY

    def files(self, code: Code) -> Files:
        """The package or its workspace, the folders of the packages that it depends on, and the library."""
        library = sdk("rust")
        own = (library / MANIFEST, library / LOCK, library / "src")
        if not code.path.is_dir():
            return Files((code.path, *own), IGNORED)
        return Files((*folders_of(code.path), *own), IGNORED)

    def recipe(self, code: Code) -> Recipe | None:
        """`cargo build --release`."""

        def stage(bench: Bench) -> Sequence[Step]:
            return _stage(code, bench)

        place = code.path.relative_to(workspace_of(code.path)).as_posix() if code.path.is_dir() else code.path.name
        return Recipe("rust", self.files(code), (CARGO,), stage, PRODUCT, (place,))

    def launch(self, code: Code, site: Site) -> Launch:
        """The program itself."""
        assert site.built is not None
        argv = (str(site.built / PRODUCT),)
        return Launch(argv=argv, env=dict(site.env), cwd=str(code.folder), limits=site.limits)


def workspace_of(package: Path) -> Path:
    """The folder of the workspace that a package is in: the nearest above it; the package's own where there is none."""
    for folder in (package, *package.parents):
        if (folder / MANIFEST).is_file() and "workspace" in manifest_of(folder):
            return folder
    return package


def folders_of(package: Path) -> list[Path]:
    """The workspace of a package, and the folders outside it from which it takes others."""
    found = [workspace_of(package)]
    waiting = [package]
    seen: set[Path] = set()
    while waiting and len(seen) < PACKAGES_MAX:
        folder = waiting.pop()
        if folder in seen or folder == sdk("rust") or not (folder / MANIFEST).is_file():
            continue
        seen.add(folder)
        if not any(folder.is_relative_to(known) for known in found):
            found.append(folder)
        waiting.extend((folder / path).resolve() for path in _paths(manifest_of(folder)))
    return found


def program_of(package: Path) -> str:
    """The name of the program that a package makes. Raises `StartFailed` where it makes none, or several."""
    manifest = manifest_of(package)
    told = manifest.get("package")
    if not isinstance(told, dict):
        raise StartFailed(f"{package / MANIFEST} is no package, but a workspace: name the folder of one of its members")
    details = cast("dict[str, Any]", told)
    if isinstance(default := details.get("default-run"), str):
        return default
    binaries = cast("list[object]", manifest.get("bin", []))
    tables = [cast("dict[str, Any]", each) for each in binaries if isinstance(each, dict)]
    named = [str(each["name"]) for each in tables if "name" in each]
    if (package / "src" / "main.rs").is_file() and not named:
        named.append(str(details.get("name", "")))
    if not named:
        named = sorted(path.stem for path in (package / "src" / "bin").glob("*.rs"))
    if len(named) == 1:
        return named[0]
    what = (
        f"makes {len(named)} programs ({', '.join(named)}): say which by default-run" if named else "makes no program"
    )
    raise StartFailed(f"the package in {package} {what}; a worker is a program whose main calls dragoman::run()")


def _stage(code: Code, bench: Bench) -> list[Step]:
    library = sdk("rust")
    patch = f"patch.crates-io.dragoman.path={json.dumps(str(library))}"
    if code.path.is_dir():
        if not (code.path / MANIFEST).is_file():
            raise StartFailed(f"{code.path} has no {MANIFEST}: run cargo init {code.path.name}")
        folder, program = code.path, program_of(code.path)
    else:
        folder, program = _lone(code.path, bench, library), PRODUCT
    out = bench.folder / OUT
    build = (bench.tools["cargo"].path, "build", "--release", "--bin", program, "--config", patch)
    target = bench.env.get("CARGO_BUILD_TARGET", "")
    made = out / target / "release" / program
    env = {"CARGO_TARGET_DIR": str(out), **_shared(bench)}
    return [
        Step(build, folder, f"cargo build --release, in {code.path.name}", env),
        Step(("mv", str(made), str(bench.folder / PRODUCT)), bench.folder, "keeping the program"),
        # A cargo before 1.91 knows no folder for what lies between, and leaves all of it here.
        Step(("rm", "-rf", str(out)), bench.folder, "clearing up"),
    ]


def _lone(file: Path, bench: Bench, library: Path) -> Path:
    """A package for a file by itself: the same folder for the same file, since cargo knows packages by theirs."""
    folder = bench.keep / "lone" / hashlib.sha256(str(file).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).write_text(LONE_MANIFEST.format(path=json.dumps(str(file))), encoding="utf-8")
    (folder / LOCK).write_text((library / LOCK).read_text("utf-8") + LONE_LOCK, encoding="utf-8")
    return folder


def _shared(bench: Bench) -> Mapping[str, str]:
    """Where cargo keeps what lies between: the user's cache, or beside our builds where the user has none."""
    env = bench.env
    if env.get("CARGO_BUILD_BUILD_DIR"):
        return {}
    home = env.get("HOME", "")
    cache = env.get("XDG_CACHE_HOME") or (str(Path(home) / ".cache") if home else "")
    writable = cache and os.access(cache if Path(cache).exists() else home, os.W_OK)
    return {"CARGO_BUILD_BUILD_DIR": str(Path(cache) / "dragoman" / "cargo" if writable else bench.keep / "build")}


def _paths(table: Mapping[str, Any], name: str = "") -> Iterator[str]:
    """Every `path` of a dependency in a manifest, wherever the tables of dependencies stand."""
    for key, value in table.items():
        if not isinstance(value, dict):
            continue
        inner = cast("dict[str, Any]", value)
        if name.endswith("dependencies") and isinstance(path := inner.get("path"), str):
            yield path
        yield from _paths(inner, key)


def manifest_of(folder: Path) -> dict[str, Any]:
    """What a manifest says. Raises `StartFailed` where it cannot be read."""
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            return tomllib.loads(file.read(MANIFEST_BYTES_MAX).decode("utf-8"))
    except OSError as error:
        raise StartFailed(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise StartFailed(f"{path} is not TOML: {error}") from error
