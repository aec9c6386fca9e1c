"""A rehearsal in TOML: steps, each with calls, troubles and events, and what is expected of it. Read as projects are.

`python -m dragoman.config.drill > docs/reference/drill.schema.json` writes the committed schema.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from dragoman.config.document import FILE_BYTES_MAX, Document, Values
from dragoman.config.files import read_file
from dragoman.config.kinds import Duration, Schema, Text, Whole, wrong
from dragoman.config.layers import CHAOS, FUNCTION_NAME
from dragoman.config.measures import Codes, Json, Rate, share
from dragoman.config.problem import ConfigError, Refused, did_you_mean
from dragoman.config.schema import DRAFT, table_schema
from dragoman.config.setting import Setting
from dragoman.config.written import Level, Place, Written
from dragoman.core.call import PRIORITIES, Priority

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.config.positions import Path as KeyPath
    from dragoman.core.fault import Code

PARTS_MAX = 1000
"""Steps, and parts of each kind in a step. A rehearsal that people can follow has ten."""
CALLERS_MAX = 10_000
INPUT_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True)
class Tables:
    """A list of tables, read by whoever knows what stands in each."""

    each: str

    def read(self, value: object) -> int:
        """How many there are."""
        items = cast("list[object]", value)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in items):
            raise wrong(f"tables such as [[{self.each}]]", items)
        if len(items) > PARTS_MAX:
            msg = f"expected at most {PARTS_MAX} of them, found {len(items)}"
            raise Refused(msg)
        return len(items)

    def schema(self) -> Schema:
        """Filled in by `drill_schema`."""
        return {"type": "array"}

    def words(self) -> str:
        """For the reference page."""
        return f"`[[{self.each}]]` tables"


@dataclass(frozen=True)
class ByFunction:
    """A table of tables, by functions' names."""

    def read(self, value: object) -> tuple[str, ...]:
        """The names."""
        tables = cast("dict[str, object]", value)
        if not isinstance(value, dict) or not all(isinstance(item, dict) for item in tables.values()):
            raise wrong('tables by functions, such as [steps.chaos."stats.correlation"]', tables)
        return tuple(tables)

    def schema(self) -> Schema:
        """Filled in by `drill_schema`."""
        return {"type": "object"}

    def words(self) -> str:
        """For the reference page."""
        return '`[steps.chaos."source.function"]` tables'


NAME = Text("a name")
FUNCTION = Text("a function's full name", FUNCTION_NAME)
SOURCE = Text("the name of a source")
DRILL = (
    Setting("name", NAME, "the file's name", "What the rehearsal is called in its report."),
    Setting("steps", Tables("steps"), "at least one", "What happens, one step after the other."),
)
STEP = (
    Setting("name", NAME, "its number", "What the step is called in the report."),
    Setting("for", Duration("10ms", "1d"), "10s", "How long it lasts."),
    Setting("calls", Tables("steps.calls"), "at least one", "Which functions are called meanwhile, and how."),
    Setting("chaos", ByFunction(), "none", "Troubles by function, with the keys of `chaos` in the project file."),
    Setting("events", Tables("steps.events"), "none", "What happens once, at a moment of the step."),
)
LOAD = (
    Setting("function", FUNCTION, "required", "The function that is called."),
    Setting("input", Json(), "{}", "Its input."),
    Setting("input_file", Text("the name of a JSON file"), "none", "A file with its input, beside the rehearsal's."),
    Setting("callers", Whole(1, CALLERS_MAX), "1", "So many callers, each of which calls again once it is answered."),
    Setting("rate", Rate(), "none", "Or so many calls a second, whether they are answered or not."),
    Setting("timeout", Duration("1ms", "30d"), "the function's", "How long each caller waits."),
    Setting("priority", Text(choices=tuple(PRIORITIES)), "the function's", "How much its calls matter."),
    Setting("expect.success", share(), "none", "The share of the calls that has to succeed."),
    Setting("expect.p99", Duration("1ms", "30d"), "none", "Of those that succeed, 99 of 100 within this."),
    Setting("expect.codes", Codes(), "any", "The only codes with which calls may fail."),
)
EVENT = (
    Setting("after", Duration("0s", "1d", off=True), "0s", "When it happens, from the beginning of the step."),
    Setting("kill", SOURCE, "none", "The source one of whose workers is killed."),
    Setting("stop", SOURCE, "none", "The source one of whose workers is stopped."),
)
TROUBLES = tuple(replace(setting, key=setting.key.removeprefix("chaos."), short=False) for setting in CHAOS)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What has to be true of the calls of a step; None where anything may be."""

    success: float | None = None
    p99_s: float | None = None
    codes: frozenset[Code] | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """Calls of one function: by so many `callers`, or at a `rate` (calls a second, 0 for callers).

    `input` is JSON; `timeout_s` and `priority` are None where the function's own hold. `place` names it in messages.
    """

    function: str
    input: bytes = b"{}"
    callers: int = 1
    rate: float = 0.0
    timeout_s: float | None = None
    priority: Priority | None = None
    expect: Expectation = field(default_factory=Expectation)
    place: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A worker of a source that is killed, or stopped, so many seconds after the step began."""

    after_s: float
    source: str
    stops: bool
    place: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a rehearsal. `chaos` are settings by function, as those of a project file."""

    name: str
    for_s: float
    loads: tuple[Load, ...]
    chaos: Mapping[str, Mapping[str, Written]]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Drill:
    """A rehearsal."""

    name: str
    steps: tuple[Step, ...]

    @property
    def needs_host(self) -> bool:
        """Whether it does more than call functions, which takes a host of its own."""
        return any(step.chaos or step.events for step in self.steps)


def read_drill(file: Path) -> Drill:
    """Read a rehearsal. Raises `ConfigError` with every problem found, each with its file, line and key."""
    try:
        content = read_file(file, FILE_BYTES_MAX)
    except Refused as refusal:
        raise ConfigError.of(file, refusal.message) from None
    return parse_drill(file, content)


def parse_drill(file: Path, content: bytes) -> Drill:
    """Read a rehearsal's content; files that it names are beside it. Raises `ConfigError`."""
    document = Document.parse(file, content)
    values = document.read((), DRILL)
    count = values["steps"].value if "steps" in values else 0
    steps = tuple(_step(document, index) for index in range(count))
    if not steps and not document.problems:
        document.refuse((), "no steps: add one, [[steps]], with [[steps.calls]] in it")
    document.finish()
    return Drill(values["name"].value if "name" in values else file.stem, steps)


def _step(document: Document, index: int) -> Step:
    here: KeyPath = ("steps", index)
    values = document.read(here, STEP)
    loads = tuple(_load(document, (*here, "calls", at)) for at in range(_given(values, "calls", 0)))
    if not loads:
        document.refuse(here, "calls nothing: add [[steps.calls]] with a function")
    chaos = {name: _chaos(document, here, name) for name in _given(values, "chaos", ())}
    events = tuple(_event(document, (*here, "events", at)) for at in range(_given(values, "events", 0)))
    for_s = _given(values, "for", 10.0)
    for at, event in enumerate(events):
        if event.after_s >= for_s:
            document.refuse((*here, "events", at, "after"), f"is past the end of the step, which lasts {for_s:g}s")
    return Step(_given(values, "name", str(index + 1)), for_s, loads, chaos, events)


def _load(document: Document, path: KeyPath) -> Load:
    values = document.read(path, LOAD)
    if "function" not in values:
        document.refuse(path, "needs a function: the full name, such as stats.correlation")
    for one, other in (("callers", "rate"), ("input", "input_file")):
        if one in values and other in values:
            document.refuse(values[other].path, f"contradicts {document.place(values[one].path)}: give one of the two")
    given = _given(values, "input", b"{}")
    if "input_file" in values:
        given = _content(document, values)
    if not given.startswith(b"{"):
        document.refuse(values["input"].path if "input" in values else path, "is no table: an input is an object")
    priority = _given(values, "priority", None)
    return Load(
        _given(values, "function", ""),
        given,
        _given(values, "callers", 1),
        _given(values, "rate", 0.0),
        _given(values, "timeout", None),
        None if priority is None else PRIORITIES[priority],
        Expectation(
            _given(values, "expect.success", None),
            _given(values, "expect.p99", None),
            _given(values, "expect.codes", None),
        ),
        document.place((*path, "function")),
    )


def _content(document: Document, values: Values) -> bytes:
    """The JSON object of a file beside the rehearsal's."""
    name, path = values["input_file"]
    try:
        content = read_file(document.file.parent / name, INPUT_BYTES_MAX)
        value = json.loads(content)
    except Refused as refusal:
        document.refuse(path, refusal.message)
    except ValueError as error:
        document.refuse(path, f"{name} is no JSON: {error}")
    else:
        if isinstance(value, dict):
            return content.strip()
        document.refuse(path, f"{name} holds no object, which an input is")
    return b"{}"


def _chaos(document: Document, step: KeyPath, name: str) -> dict[str, Written]:
    path = (*step, "chaos", name)
    values = document.read(path, TROUBLES)
    table = f"steps.chaos.{name}"
    return {
        f"chaos.{key}": Written(
            value.value, Level.FUNCTION, Place(str(document.file), document.positions.line(value.path), table, key)
        )
        for key, value in values.items()
    }


def _event(document: Document, path: KeyPath) -> Event:
    values = document.read(path, EVENT)
    named = [key for key in ("kill", "stop") if key in values]
    if len(named) != 1:
        document.refuse(path, "names one source: kill or stop" if not named else "is two events: give each its own")
    source = _given(values, named[0], "") if named else ""
    return Event(_given(values, "after", 0.0), source, "stop" in values, document.place(path))


def _given(values: Values, key: str, default: Any) -> Any:
    return values[key].value if key in values else default


def nearest(name: str, known: Iterable[str], place: str) -> str:
    """What to say of a name that a project has not."""
    return f"{place}: the project has no {name!r}{did_you_mean(name, known)}"


def drill_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of a rehearsal, for editors."""
    step = table_schema(STEP)
    step["properties"]["calls"]["items"] = table_schema(LOAD) | {"required": ["function"]}
    step["properties"]["calls"]["minItems"] = 1
    step["properties"]["chaos"]["additionalProperties"] = table_schema(TROUBLES)
    step["properties"]["events"]["items"] = table_schema(EVENT)
    step["required"] = ["calls"]
    whole = table_schema(DRILL)
    whole["properties"]["steps"] |= {"items": step, "minItems": 1}
    return {"$schema": DRAFT, "title": "A rehearsal for dragoman drill", **whole, "required": ["steps"]}


def render() -> str:
    """The text of the committed copy."""
    return json.dumps(drill_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
