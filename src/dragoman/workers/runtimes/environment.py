"""An environment for one Python source, made by uv: its requirements, its interpreter, and the guest library.

The guest library is linked, not installed: the package that runs the host is the one that its workers run, whatever
an index holds under its name. Interpreters are those that are installed; none is fetched.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.building.files import Files
from dragoman.building.recipe import Bench, Recipe, Step
from dragoman.building.shipped import PACKAGE
from dragoman.building.tool import Tool
from dragoman.core.fault import StartFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dragoman.building.code import Code

GUEST_REQUIREMENT = "msgspec>=0.20"
"""The one package that the guest library imports; the rest of what the host needs stays with the host."""
INTERPRETER = "venv/bin/python"
LINK = """
import os, shutil, sys, sysconfig
if sys.version_info < (3, 11):
    sys.exit(f"workers need Python 3.11 or newer, and this is {sys.version.split()[0]}")
place = os.path.join(sysconfig.get_path("purelib"), "dragoman")
if os.path.lexists(place):
    shutil.rmtree(place)
os.symlink(sys.argv[1], place)
import dragoman.guest.main
"""
FILES_MAX = 100
"""Files of requirements that include one another; past it they go in a circle."""
FILE_BYTES_MAX = 1024 * 1024
INCLUDE = re.compile(r"^(?:-r|-c|--requirements?|--constraints?)[=\s]*(?P<file>\S+)", re.MULTILINE)
LOCAL = re.compile(r"^(?:-e|--editable)?[=\s]*(?:file:(?://)?)?(?P<path>[./][^\s;\[#]*)", re.MULTILINE)


def uv_tool() -> Tool:
    """uv: on PATH, or the one of the Python package `uv`."""
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - an extra, and needed by few

        places = (Path(find_uv_bin()),)
    except (ImportError, OSError):
        places = ()
    return Tool("uv", "pip install 'dragoman[uv]', or see https://docs.astral.sh/uv", (0, 8), candidates=places)


def recipe(code: Code) -> Recipe | None:
    """How the environment of a source is made; None where it asks for none."""
    if not code.requirements and not code.python:
        return None
    listed = tuple(_listed(code))

    def stage(bench: Bench) -> Sequence[Step]:
        return list(_steps(code, bench))

    wanted = () if listed else code.requirements
    options = (*wanted, f"python {code.python or sys.version}", GUEST_REQUIREMENT, str(PACKAGE))
    return Recipe("python", Files(listed), (uv_tool(),), stage, INTERPRETER, options)


def _listed(code: Code) -> Iterator[Path]:
    """The files that list the requirements, and the packages that they name by a path."""
    if not (len(code.requirements) == 1 and code.requirements[0].startswith("/")):
        return
    waiting = [Path(code.requirements[0])]
    seen: set[Path] = set()
    while waiting and len(seen) < FILES_MAX:
        path = waiting.pop()
        if path in seen or not path.exists():
            continue
        seen.add(path)
        yield path
        if path.name == "pyproject.toml":
            waiting.append(path.with_name("uv.lock"))
        elif path.is_file():
            text = _text(path)
            found = [match["file"] for match in INCLUDE.finditer(text)] + [
                match["path"] for match in LOCAL.finditer(text)
            ]
            waiting += [path.parent / name for name in found]


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX).decode("utf-8", "replace")
    except OSError as error:
        raise StartFailed(f"{path} cannot be read: {error.strerror}") from error


def _steps(code: Code, bench: Bench) -> Iterator[Step]:
    uv = bench.tools["uv"].path
    # No interpreter is fetched, and nothing that is active in the user's shell is taken for the target.
    env = {"UV_PYTHON_DOWNLOADS": "never", "VIRTUAL_ENV": "", "UV_NO_PROGRESS": "1"}
    venv, python = bench.folder / "venv", bench.folder / INTERPRETER
    wanted = code.python or sys.executable
    make = (uv, "venv", "--no-project", "--relocatable", "--python", wanted, str(venv))
    yield Step(make, bench.folder, f"uv venv --python {wanted}", env)
    names = list(code.requirements)
    where = code.root
    if any(_listed(code)):
        file = Path(names[0])
        where = file.parent
        names = ["-r", str(file)]
        if file.name == "pyproject.toml" and file.with_name("uv.lock").is_file():
            exported = str(bench.folder / "locked.txt")
            export = (uv, "export", "--frozen", "--no-emit-project", "--no-dev", "--quiet", "--output-file", exported)
            yield Step((*export, "--project", str(where)), where, "uv export --frozen", env)
            names = ["-r", exported]
    install = (uv, "pip", "install", "--compile-bytecode", "--python", str(python), GUEST_REQUIREMENT, *names)
    yield Step(install, where, "uv pip install", env)
    yield Step((str(python), "-I", "-c", LINK, str(PACKAGE)), bench.folder, "link the guest library", env)
