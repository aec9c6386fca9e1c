"""From what a user names (a project, or sources by themselves) to a `Project`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from dragoman.config import settings
from dragoman.config.contradictions import Surrounding, check
from dragoman.config.document import FILE_BYTES_MAX, Document, Values, dotted
from dragoman.config.environment import tasks_url
from dragoman.config.files import read_file
from dragoman.config.layers import GROUPS
from dragoman.config.problem import ConfigError, Problem, Refused, did_you_mean
from dragoman.config.project import FunctionSettings, Project, Source
from dragoman.config.queues import read_queues
from dragoman.config.schedules import read_schedules
from dragoman.config.servers import read_http, read_native_options
from dragoman.config.setting import NAME
from dragoman.config.shared import read_shared
from dragoman.config.sources import SourceReader, bare
from dragoman.config.tasks import located, read_tasks
from dragoman.config.written import written
from dragoman.tasks.options import TasksOptions

FILE_NAME = "dragoman.toml"

FUNCTION_NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,127}"

SOURCES_MAX = 10_000
"""Each has a pool of processes; ten times the load that the host is measured with."""


def load(paths: Sequence[str | Path] = ()) -> Project:
    """Read a project.

    Args:
        paths: One project (its folder, or its project file), or any number of sources: Python files and executables,
            which need no project file. Nothing stands for the project in the current folder.

    Returns:
        The project, checked: every source's file is there, every setting within its bounds.

    Raises:
        ConfigError: With every problem found, each with its file, line and key.
    """
    if not paths:
        return _current()
    given = [_absolute(path) for path in paths]
    projects = [path for path in given if path.name.endswith(".toml") or _is_file(path / FILE_NAME)]
    if not projects:
        return _loose(given)
    if len(given) > 1:
        raise ConfigError.of(projects[0], "a project is served by itself: name one project, or sources only")
    file = projects[0] if projects[0].name.endswith(".toml") else projects[0] / FILE_NAME
    return read_project(file)


def identity(paths: Sequence[str | Path] = ()) -> str:
    """What tells the project of these paths from others, read or not: its file, or else the sources themselves."""
    given = [_absolute(path) for path in paths] or [Path.cwd()]
    files = [
        path if path.name.endswith(".toml") else path / FILE_NAME
        for path in given
        if path.name.endswith(".toml") or _is_file(path / FILE_NAME)
    ]
    return "\n".join(sorted(os.path.realpath(path) for path in files or given))


def read_project(file: Path) -> Project:
    """Read a project file. Raises `ConfigError`."""
    try:
        content = read_file(file, FILE_BYTES_MAX)
    except Refused as refusal:
        raise ConfigError.of(file, refusal.message) from None
    return parse_project(file, content)


def parse_project(file: Path, content: bytes) -> Project:
    """Read a project file's content; paths in it are relative to its folder. Raises `ConfigError`."""
    document = Document.parse(file, content)
    folder = file.parent
    for name in document.tables.keys() - settings.TABLES.keys():
        document.refuse((name,), f"unknown table{did_you_mean(name, settings.TABLES)}")
    about = document.read(("project",), settings.PROJECT)
    defaults = document.read(("defaults",), settings.DEFAULTS)
    _refuse_own(document)
    http = read_http(document, folder)
    native = read_native_options(document, folder, http)
    sources = _sources(document, folder, defaults)
    functions = _functions(document, sources)
    name = about["name"].value if "name" in about else folder.name or "dragoman"
    shared = read_shared(document, name)
    tasks = read_tasks(document, folder)
    built = {key: value for key, value in sources.items() if value}
    missing = partial(_function_refusal, sources=sources)
    queues = read_queues(document, name, shared, missing)
    schedules = read_schedules(document, missing)
    # Where chaos is switched off by name, its settings are kept for another day.
    surrounding = Surrounding(shared=shared is not None, chaos="chaos" in about, missing=missing)
    check(document, built, functions, surrounding)
    if not document.table(("sources",)) and not document.problems:
        document.refuse((), 'no sources: add one, for example [sources.stats] with path = "stats.py"')
    document.finish()
    chaos = "chaos" in about and about["chaos"].value
    return Project(name, folder, built, functions, http, native, file, shared, chaos, tasks, queues, schedules)


def _current() -> Project:
    file = Path.cwd() / FILE_NAME
    if not _is_file(file):
        hint = "name a project folder or sources (dragoman serve stats.py), or make a project with dragoman new"
        raise ConfigError.of(file.parent, f"there is no {FILE_NAME} here: {hint}")
    return read_project(file)


def _refuse_own(document: Document) -> None:
    """Say why what belongs to one source is no default, instead of calling it unknown."""
    own = {setting.key for setting in settings.SOURCE if not setting.inheritable}
    for key in sorted(own & document.table(("defaults",)).keys()):
        place = dotted(("defaults", key))
        line = document.positions.line(("defaults", key))
        document.problems[:] = [each for each in document.problems if (each.key, each.line) != (place, line)]
        document.refuse(("defaults", key), "belongs to one source and cannot be a default")


def _sources(document: Document, folder: Path, defaults: Values) -> dict[str, Source | None]:
    names = document.table(("sources",))
    if len(names) > SOURCES_MAX:
        document.refuse(("sources",), f"expected at most {SOURCES_MAX} sources, found {len(names)}")
        return {}
    reader = SourceReader(document, folder, defaults)
    sources: dict[str, Source | None] = {}
    for name, value in names.items():
        if re.fullmatch(NAME, name) is None:
            document.refuse(("sources", name), NAME_RULE)
        elif name in OWN_NAMES:
            document.refuse(("sources", name), OWN_NAMES[name])
        elif not isinstance(value, dict):
            document.refuse(("sources", name), f'expected a table such as [sources.{name}] with path = "{name}.py"')
        else:
            sources[name] = reader.read(name)
    return sources


OWN_NAMES = {
    "dragoman": "dragoman is the host's own name: its functions list those of the sources",
    "tasks": "tasks is a name of the host's own: its functions (tasks.submit) make tasks of others; choose another",
}
"""What no source may be called, and why."""
NAME_RULE = "a source's name is a letter or _, then up to 63 letters, digits, _ or -"


def _functions(document: Document, sources: dict[str, Source | None]) -> dict[str, FunctionSettings]:
    functions: dict[str, FunctionSettings] = {}
    for name in document.table(("functions",)):
        place = ("functions", name)
        table = document.table(place)
        source = sources.get(name)
        layers = GROUPS if source is None or source.alone else ()
        nested = [key for key, value in table.items() if isinstance(value, dict) and key not in layers]
        if nested and "." not in name:
            example = (
                f'[functions."{name}.{nested[0]}"]' if re.fullmatch(FUNCTION_NAME, nested[0]) else '"source.function"'
            )
            document.refuse((*place, nested[0]), f"a function's full name is one quoted key: {example}")
            continue
        message = _function_refusal(name, sources)
        if message:
            document.refuse(place, message)
            continue
        values = document.read(place, settings.TABLES["functions"])
        functions[name] = FunctionSettings(
            values["timeout"].value if "timeout" in values else None,
            values["idempotent"].value if "idempotent" in values else None,
            writings=written(document, values),
        )
    return functions


def _function_refusal(name: str, sources: dict[str, Source | None]) -> str:
    source, dot, function = name.partition(".")
    if source not in sources:
        return f"no source is called {source[:128]!r}{did_you_mean(source, sources)}"
    built = sources[source]
    if dot and re.fullmatch(FUNCTION_NAME, function, re.ASCII) is None:
        return "a function's name is a letter or _, then letters, digits, _ or -"
    if built and built.alone and dot:
        what = "an executable" if built.kind == "command" else "this service"
        return f"{what} is one function, called by its source's name: [functions.{source}]"
    if built and not built.alone and not dot:
        return f'name the function too: [functions."{source}.NAME"]; settings of all of them go to [sources.{source}]'
    return ""


def _loose(paths: Iterable[Path]) -> Project:
    """The project that sources make by themselves, each named after its file."""
    folder = Path.cwd()
    sources: dict[str, Source] = {}
    origins: dict[str, Path] = {}
    problems: list[Problem] = []
    for path in paths:
        try:
            name = _name(path)
            if path in origins.values():
                raise Refused("is named twice")  # noqa: TRY301 - one way out for every reason
            if name in sources:
                message = f"is called {name!r} like {origins[name]}; give them names in a {FILE_NAME}"
                raise Refused(message)  # noqa: TRY301 - one way out for every reason
            sources[name], origins[name] = bare(name, folder, path), path
        except Refused as refusal:
            problems.append(Problem(str(path), 0, "", refusal.message))
    try:
        tasks = TasksOptions(store=located(tasks_url(), folder))
    except Refused as refusal:
        problems.append(Problem("environment", 0, "", refusal.message))
        tasks = TasksOptions()
    if problems:
        raise ConfigError(problems)
    only = next(iter(sources)) if len(sources) == 1 else ""
    return Project(only or folder.name or "dragoman", folder, sources, tasks=tasks)


def _name(path: Path) -> str:
    name = path.stem
    if re.fullmatch(NAME, name) is None or name in OWN_NAMES:
        rule = OWN_NAMES.get(name, NAME_RULE)
        message = f"{name!r} cannot name a source ({rule}); rename the file, or name it in a {FILE_NAME}"
        raise Refused(message)
    return name


def _absolute(path: str | Path) -> Path:
    """The path from the root, symbolic links left as they are: their names are what the user knows."""
    if "\0" in str(path) or not str(path):
        raise ConfigError.of(ascii(str(path)), "cannot be the name of a file")
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps "..", Path.resolve follows links


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - answers False, not an error, for names that no file can have
