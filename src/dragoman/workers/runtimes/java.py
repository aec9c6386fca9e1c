"""Java workers: a file, a folder, a Maven project or a jar, made into jars beside the guest library's.

A build also rehearses one start and keeps an archive of the classes that it loaded, which makes starts much quicker.
The JVM takes such an archive only for the very paths that it was made with, and a build is moved once it is done: so
both reach it by a link, whose name does not change.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.building.files import Files
from dragoman.building.recipe import Bench, Recipe, Step
from dragoman.building.shipped import sdk
from dragoman.building.tool import Tool
from dragoman.core.fault import StartFailed
from dragoman.sandbox.confinement import Launch
from dragoman.workers.runtimes.runtime import GUEST_CONCURRENCY, Site

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dragoman.building.code import Code

INSTALL = "apt-get install openjdk-17-jdk-headless"
JAVA = Tool("java", INSTALL, (17,), ("--version",))
JAVAC = Tool("javac", INSTALL, (17,), ("--version",))
MAVEN = Tool("mvn", "apt-get install maven", (3, 6), ("--version",))
PRODUCT = "launch.txt"
LAUNCH_BYTES_MAX = 1024 * 1024
IGNORED = frozenset({".gradle", ".idea", ".settings", ".classpath", ".project"})
MADE = IGNORED | {"target"}
"""In a Maven project also what Maven has made."""
HEAP_SHARE = 0.5
"""Of a memory limit, what the heap may grow to: code, classes, stacks and buffers take as much in a small worker."""
OPTIONS: tuple[str, ...] = (
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    # Its summary is in the log. The whole report would lie in the user's folder, once for each crash.
    "-XX:ErrorFile=/dev/null",
    "-Xshare:auto",
)
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
"""Named in full: an old Maven takes an old one otherwise, which knows nothing of today's jars."""
COORDINATES = ("dev", "dragoman", "dragoman", "0.1.0")
POM = """<project><modelVersion>4.0.0</modelVersion><groupId>dev.dragoman</groupId><artifactId>dragoman</artifactId>\
<version>0.1.0</version></project>
"""
LINKS_KEPT = 256
"""Links of builds, living or removed: with more, those that lead nowhere are swept."""


@dataclass(frozen=True, slots=True)
class JavaRuntime:
    """The port's, for Java."""

    tools: tuple[Tool, ...] = (JAVA,)
    concurrency: int = GUEST_CONCURRENCY

    def files(self, code: Code) -> Files:
        """The code, and the guest library."""
        library = sdk("java")
        return Files((code.path, library / "src" / "main", library / "tool"), MADE if _maven(code) else IGNORED)

    def recipe(self, code: Code) -> Recipe | None:
        """`mvn package` where there is a `pom.xml`, then our own tool, which compiles what is not compiled."""
        if not _maven(code) and any((code.path / name).is_file() for name in ("build.gradle", "build.gradle.kts")):
            raise StartFailed(f"{code.path} is a Gradle project: name the jar that it builds as the source's path")

        def stage(bench: Bench) -> Sequence[Step]:
            return _stage(code, bench)

        tools = (JAVAC, JAVA, MAVEN) if _maven(code) else (JAVAC, JAVA)
        return Recipe("java", self.files(code), tools, stage, PRODUCT, (code.path.name,))

    def launch(self, code: Code, site: Site) -> Launch:
        """A JVM for the worker's own use: it ends where its memory does, and leaves no file in /tmp."""
        assert site.built is not None
        link, main, names = _told(site.built)
        place = _linked(link, site.built)
        options: list[str] = list(OPTIONS)
        if (place / "worker.jsa").is_file():
            options.append(f"-XX:SharedArchiveFile={place / 'worker.jsa'}")
        if site.limits.memory_bytes:
            options.append(f"-Xmx{int(site.limits.memory_bytes * HEAP_SHARE)}")
        path = ":".join(str(place / name) for name in names)
        argv = (site.tools["java"].path, *options, "-cp", path, "dev.dragoman.Launcher", main)
        return Launch(argv=argv, env=dict(site.env), cwd=str(code.folder), limits=site.limits)


def _maven(code: Code) -> bool:
    return (code.path / "pom.xml").is_file()


def _stage(code: Code, bench: Bench) -> list[Step]:
    library = sdk("java")
    link = _link(bench)
    java = bench.tools["java"].path
    # The tool runs from its source; one tier of compilation is enough for so short a life.
    tool = (java, "-XX:TieredStopAtLevel=1", "-Xshare:auto", str(library / "tool" / "Build.java"))
    places = (str(library / "src" / "main" / "java"), str(bench.keep), str(link), str(bench.folder))
    if not _maven(code):
        kind = "jars" if code.path.suffix == ".jar" else "sources"
        title = f"javac {code.path.name}" if kind == "sources" else f"take {code.path.name}"
        return [Step((*tool, *places, kind, str(code.path)), bench.folder, title)]
    copy = bench.folder / "project"
    # Maven writes into the project; the user's stays as it is.
    shutil.copytree(code.path, copy, symlinks=True, ignore=shutil.ignore_patterns(*MADE, ".git", ".dragoman"))
    repository = _repository(bench)
    first = Step((*tool, *places, "library", str(repository)), bench.folder, "javac dragoman")
    maven = (
        bench.tools["mvn"].path,
        "-q",
        "-B",
        "-DskipTests",
        "-Dstyle.color=never",
        f"-Dmaven.repo.local={repository}",
    )
    dependencies = (COPY, "-DincludeScope=runtime", f"-DoutputDirectory={copy}/worker-lib")
    package = Step((*maven, "package", *dependencies), copy, "mvn package")
    jars = (str(copy / "target"), str(copy / "worker-lib"))
    return [first, package, Step((*tool, *places, "jars", *jars), bench.folder, f"take the jars of {code.path.name}")]


def _repository(bench: Bench) -> Path:
    """Maven's local repository for our builds, with the guest library's description in it."""
    repository = bench.keep / "repository"
    place = repository.joinpath(*COORDINATES)
    place.mkdir(parents=True, exist_ok=True)
    (place / "dragoman-0.1.0.pom").write_text(POM, encoding="utf-8")
    return repository


def _link(bench: Bench) -> Path:
    """The name under which this build is known from now on: it leads to the bench until the build is done."""
    links = bench.keep / "at"
    links.mkdir(exist_ok=True)
    _sweep(links)
    link = links / sha256(os.fsencode(bench.folder)).hexdigest()[:20]
    with suppress(FileNotFoundError):
        link.unlink()
    link.symlink_to(bench.folder)
    return link


def _sweep(links: Path) -> None:
    found = list(links.iterdir())
    if len(found) <= LINKS_KEPT:
        return
    for link in found:
        if not link.exists():
            link.unlink(missing_ok=True)


def _told(built: Path) -> tuple[Path, str, Iterable[str]]:
    """What a build says of itself: its link, the main class, and the jars in their order."""
    try:
        with (built / PRODUCT).open("rb") as file:
            link, main, *names = file.read(LAUNCH_BYTES_MAX).decode().split("\n")
    except (OSError, ValueError) as error:
        raise StartFailed(f"{built} is not a whole build: {error}") from error
    return Path(link), main, [name for name in names if name]


def _linked(link: Path, built: Path) -> Path:
    """The link, leading to where the build is; the build itself where the link cannot be made, which starts slowly."""
    if link.exists() and link.samefile(built):
        return link
    fresh = link.with_name(f"{link.name}.{os.getpid()}")
    try:
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(built)
        fresh.replace(link)
    except OSError:
        return built
    return link
