"""From the settings of one source to a `Source`: what it is, what then applies to it, and what cannot stand together.

A default that means nothing to a source (a `concurrency` for an executable) passes it by; the same setting written
for that source is a contradiction, and is refused.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from dragoman.config import settings
from dragoman.config.declared import SchemaFile, check_schema, object_schema, parse_schema
from dragoman.config.document import Document, Value, Values
from dragoman.config.files import read_file
from dragoman.config.languages import EXEC, NAMES, check_executable, recognise
from dragoman.config.problem import Refused, did_you_mean
from dragoman.config.project import Source
from dragoman.config.upstreams import is_service, read_upstream
from dragoman.config.written import written
from dragoman.contract.manifest import SCHEMA_BYTES_MAX
from dragoman.sandbox.confinement import Limits
from dragoman.upstream.options import CONCURRENCY_DEFAULT, UpstreamOptions
from dragoman.workers.options import PoolOptions
from dragoman.workers.runtimes.languages import RUNTIMES

if TYPE_CHECKING:
    from dragoman.config.positions import Path as KeyPath
    from dragoman.config.setting import Setting

PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)

Mode: TypeAlias = Literal["warm", "fork", "exec", "inline", "upstream"]

MISFITS = {
    "exec": 'mode "{mode}" is for code in a language; an executable is one process per call: leave mode out, or "exec"',
    "exec of a guest": 'mode "exec" is for executables: use a command, or mode "fork" for a clean process each call',
    "inline": 'mode "inline" is for Python: functions of another language run in workers; leave mode out, or "warm"',
}

GUEST_MODES: tuple[Mode, ...] = ("warm", "fork")
FITTING: dict[str, tuple[Mode, ...]] = {"exec": ("exec",), "python": (*GUEST_MODES, "inline")}
"""The modes of a language, the one that it has by default first; of one that is not here, `GUEST_MODES`."""

PYTHON_LEAST = (3, 11)

KEPT = tuple(setting.key for setting in (*settings.TABLES["functions"], *settings.POOL))
"""Settings of a source that hold for each call, and so are shown with the places where they stand."""

BARE: dict[str, str] = {"stdin": "body", "stdout": "text"}
BARE_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {"args": {"type": "array", "items": {"type": "string"}, "default": []}},
    "required": [],
    "additionalProperties": False,
}
"""The contract of an executable of which nothing is said: any arguments, none by default."""


@dataclass(frozen=True)
class Origin:
    """What a source runs: code of a language that has a runtime, or a command, and in which mode."""

    language: str
    mode: Mode
    path: Path | None = None
    command: tuple[str, ...] = ()
    bare: bool = False
    upstream: UpstreamOptions | None = None


def processors() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def workers_max(mode: str) -> int:
    """How far a pool may grow where nobody says: programs mostly wait for each other, so they get a few more."""
    return max(processors(), 4 if mode == settings.EXEC else 2)


def bare(name: str, folder: Path, path: Path) -> Source:
    """The source that a file or folder is by itself, without any settings. Raises `Refused`."""
    language = recognise(path)
    if language != EXEC:
        pool = PoolOptions(workers_max=workers_max(settings.WARM), concurrency=RUNTIMES[language].concurrency)
        return Source(name, "guest", folder, path, language=language, pool=pool)
    return Source(
        name,
        "command",
        folder,
        command=(str(path), "{args}"),
        language="exec",
        mode="exec",
        stdin="body",
        stdout="text",
        input=BARE_INPUT,
        pool=PoolOptions(workers_max=workers_max(settings.EXEC)),
    )


class SourceReader:
    """Builds the sources of one document; what is wrong is noted there, and the source then left out."""

    def __init__(self, document: Document, folder: Path, defaults: Values) -> None:
        self._document = document
        self._folder = folder
        self._defaults = defaults

    def read(self, name: str) -> Source | None:
        """Build the source of a name; None where anything about it was refused."""
        place = ("sources", name)
        problems = len(self._document.problems)
        own = self._document.read(place, settings.SOURCE)
        origin = self._origin(place, own)
        if origin is None:
            return None
        values = self._applying(origin, own)
        fields = _filled("", values) | self._extras(values) | self._environment(values)
        fields["pool"] = self._pool(origin, values)
        fields["limits"] = Limits(**_filled("limits.", values))
        fields["writings"] = written(self._document, {key: values[key] for key in KEPT if key in values})
        if origin.command or origin.upstream:
            fields |= self._contract(place, origin, values)
        if len(self._document.problems) > problems:
            return None
        kind = "upstream" if origin.upstream else "command" if origin.command else "guest"
        fields.setdefault("command", origin.command)
        fields |= {"language": origin.language, "mode": origin.mode, "path": origin.path, "upstream": origin.upstream}
        fields["home"] = self._document.file.parent
        return Source(name, kind, self._folder, **fields)

    def _origin(self, place: tuple[str, str], own: Values) -> Origin | None:
        if is_service(own):
            return self._service(own)
        if "path" in own and "command" in own:
            other = self._document.place(own["command"].path)
            self._document.refuse(own["path"].path, f"cannot stand beside {other}: a source has one of the two")
        elif "path" in own:
            return self._file(own)
        elif "command" in own:
            return self._command(own)
        elif not {"path", "command"} & self._document.table(place).keys():
            message = 'needs a path (path = "stats.py") or a command (command = ["./thumb.sh", "{width}"])'
            self._document.refuse(place, f"{message}, or the url of a service")
        return None

    def _service(self, own: Values) -> Origin | None:
        options = read_upstream(self._document, self._folder, own)
        return None if options is None else Origin(options.kind, "upstream", upstream=options)

    def _file(self, own: Values) -> Origin | None:
        path = self._folder / own["path"].value
        try:
            language = recognise(path, self._said(path, own))
        except Refused as refusal:
            self._document.refuse(own["path"].path, refusal.message)
            return None
        mode = self._mode(own, language)
        if language == "exec":
            return Origin("exec", mode, None, (str(path),), bare=True)
        return Origin(language, mode, path)

    def _said(self, path: Path, own: Values) -> str:
        if "language" in own:
            return own["language"].value
        if "language" in self._defaults and not path.suffix:
            return self._defaults["language"].value
        return ""

    def _command(self, own: Values) -> Origin | None:
        command, place = own["command"]
        language = own.get("language")
        if language and language.value != "exec":
            other = self._document.place(place)
            self._document.refuse(language.path, f"cannot stand beside {other}, which runs any program; use path")
        program: str = command[0]
        if PLACEHOLDER.search(program):
            self._document.refuse((*place, 0), "the program itself cannot come from the input")
            return None
        if "/" in program:
            program = str(self._folder / program)
            try:
                check_executable(Path(program))
            except Refused as refusal:
                self._document.refuse((*place, 0), refusal.message)
                return None
        return Origin("exec", self._mode(own, "exec"), None, (program, *command[1:]))

    def _mode(self, own: Values, language: str) -> Mode:
        fitting: tuple[Mode, ...] = FITTING.get(language, GUEST_MODES)
        wanted = own.get("mode") or self._defaults.get("mode")
        if wanted and wanted.value in fitting:
            return wanted.value
        if "mode" in own:
            mode = own["mode"].value
            misfit = "exec" if language == EXEC else "exec of a guest" if mode == EXEC else mode
            self._document.refuse(own["mode"].path, MISFITS[misfit].format(mode=mode))
        return fitting[0]

    def _applying(self, origin: Origin, own: Values) -> Values:
        """The settings that hold for a source: its own, over the defaults that mean something to it."""
        known = {setting.key: setting for setting in settings.SOURCE}
        for key, value in own.items():
            if not known[key].suits(origin.mode, origin.language):
                self._document.refuse(value.path, self._misplaced(origin, known[key], own))
        suiting = {key for key, setting in known.items() if setting.suits(origin.mode, origin.language)}
        values = {key: value for key, value in self._defaults.items() if key in suiting} | own
        if "env" in own and "env" in self._defaults:
            values["env"] = Value({**self._defaults["env"].value, **own["env"].value}, own["env"].path)
        return values

    def _misplaced(self, origin: Origin, setting: Setting, own: Values) -> str:
        modes = setting.modes
        what = self._document.place((own.get("path") or own.get("command") or next(iter(own.values()))).path)
        if origin.upstream:
            return "is for functions that run here: this source is a service of its own"
        if modes == frozenset({settings.UPSTREAM}):
            return f"is for services, and {what} is none: add the url of one"
        if origin.mode == settings.EXEC:
            return f"means nothing to {what}, an executable: each call is a process of its own"
        if modes <= {settings.EXEC, settings.UPSTREAM}:
            services = " and services" if settings.UPSTREAM in modes else ""
            return f"is for executables{services}, and {what} is {NAMES[origin.language]}"
        if setting.languages and origin.language not in setting.languages:
            return f"is for Python, and {what} is {NAMES[origin.language]}"
        return self._misplaced_by_mode(origin, setting, own, what)

    def _misplaced_by_mode(self, origin: Origin, setting: Setting, own: Values, what: str) -> str:
        if origin.mode == settings.WARM:
            return f'is for mode = "fork", and {what} is run by workers that live on'
        mode = self._document.place((own.get("mode") or self._defaults["mode"]).path)
        if origin.mode == settings.INLINE:
            return f"cannot stand beside {mode}: inline functions run inside the host, in no worker"
        more = " and lives no longer" if setting.of_copied else ""
        return f"cannot stand beside {mode}: each call has a process of its own, which runs nothing else{more}"

    def _pool(self, origin: Origin, values: Values) -> PoolOptions:
        least, most = values.get("workers.min"), values.get("workers.max")
        fields = _filled("pool.", values)
        if least and most and least.value > most.value:
            later, earlier = (most, least) if least.path[0] == "defaults" else (least, most)
            relation = "less" if later is most else "more"
            other = f"{self._document.place(earlier.path)}, which is {earlier.value}"
            self._document.refuse(later.path, f"{later.value} is {relation} than {other}")
        if origin.upstream:
            fields.setdefault("concurrency", CONCURRENCY_DEFAULT)
        elif not origin.command:
            fields.setdefault("concurrency", RUNTIMES[origin.language].concurrency)
        fields.setdefault("workers_max", max(workers_max(origin.mode), fields.get("workers_min", 1)))
        return PoolOptions(**fields)

    def _extras(self, values: Values) -> dict[str, Any]:
        names = {"env": "env", "timeout": "timeout_s", "idempotent": "idempotent"}
        return {field: values[key].value for key, field in names.items() if key in values}

    def _environment(self, values: Values) -> dict[str, Any]:
        """What a Python source has installed: a file that lists it becomes its absolute path."""
        if "python" in values and not _is_supported(values["python"].value):
            self._document.refuse(values["python"].path, "is too old: workers need Python 3.11 or newer")
        if "requirements" not in values:
            return {}
        wanted = values["requirements"].value
        if not isinstance(wanted, str):
            return {"requirements": wanted}
        file = self._folder / wanted
        if not os.path.isfile(file):  # noqa: PTH113 - answers False, not an error, for names that no file can have
            self._document.refuse(values["requirements"].path, f"no such file: {file}")
        return {"requirements": (str(file),)}

    # -- The contract of an executable -------------------------------------------------------------

    def _contract(self, place: tuple[str, str], origin: Origin, values: Values) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        command = origin.command
        if origin.bare:
            fields |= {key: values[key].value if key in values else BARE[key] for key in BARE}
        if "input" in values:
            fields["input"] = self._schema(values["input"], output=False)
            if command:
                self._check_placeholders((*place, "command"), command, fields["input"])
        elif origin.bare:
            fields |= {"input": BARE_INPUT, "command": (*command, "{args}")}
        elif command:
            fields["input"] = object_schema({name: "string" for _, name in placeholders(command)})
        if "output" in values:
            fields["output"] = self._schema(values["output"], output=True)
            self._check_output(values)
        return fields

    def _check_output(self, values: Values) -> None:
        stdout = values.get("stdout")
        if stdout and stdout.value == "bytes":
            other = self._document.place(stdout.path)
            self._document.refuse(values["output"].path, f"cannot stand beside {other}: raw bytes have no schema")

    def _schema(self, value: Value, *, output: bool) -> dict[str, Any]:
        if not isinstance(value.value, SchemaFile):
            try:
                check_schema(value.value)
            except Refused as refusal:
                self._document.refuse(value.path, refusal.message)
            return value.value
        file = self._folder / value.value.name
        try:
            content = read_file(file, SCHEMA_BYTES_MAX)
            schema = parse_schema(content, output=output)
            check_schema(schema)
        except Refused as refusal:
            self._document.refuse(value.path, f"{file} {refusal.message}")
        else:
            return schema
        return {}

    def _check_placeholders(self, place: KeyPath, command: tuple[str, ...], schema: dict[str, Any]) -> None:
        properties = schema.get("properties")
        if not isinstance(properties, dict) or schema.get("additionalProperties") is not False:
            return
        known = [str(name) for name in cast("dict[str, Any]", properties)]
        for index, text in enumerate(command):
            bare_text = text.replace("{{", "").replace("}}", "")
            for mistaken in (f"{{{name}}}" for name in known):
                if mistaken in bare_text and PLACEHOLDER.fullmatch(mistaken) is None:
                    message = f"{mistaken} stands for nothing: a name in braces is letters, digits and underscores"
                    self._document.refuse((*place, index), message)
        for index, name in placeholders(command):
            if name not in known:
                hint = did_you_mean(name, known) or "; the input has none"
                message = f"{{{name}}} is no property of the input{hint} (literal braces are doubled: {{{{{name}}}}})"
                self._document.refuse((*place, index), message)


def _is_supported(version: str) -> bool:
    return tuple(map(int, version.split(".")[:2])) >= PYTHON_LEAST


def placeholders(command: tuple[str, ...]) -> list[tuple[int, str]]:
    """Each `{name}` of an argument list, with the index of its argument."""
    found = ((index, match[1]) for index, text in enumerate(command) for match in PLACEHOLDER.finditer(text))
    return [(index, name) for index, name in found if name]


def _filled(prefix: str, values: Values) -> dict[str, Any]:
    """Options by the fields that the settings fill: those of an inner class (`pool.`), or the source's own."""
    return {
        setting.field.removeprefix(prefix): values[setting.key].value
        for setting in settings.SOURCE
        if setting.key in values
        and setting.field.startswith(prefix)
        and setting.field
        and "." not in setting.field.removeprefix(prefix)
    }
