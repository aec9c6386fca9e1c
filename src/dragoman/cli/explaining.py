"""`dragoman explain`: the stack of a function, on hosts that run or as the files have it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

from dragoman.cli.hosts import ask, urls
from dragoman.cli.screen import colored, printable
from dragoman.config.notation import text

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY_CELLS, VALUE_CELLS = 24, 14
CAUGHT_UP = {"none": "nothing", "last": "the last that was missed", "all": "all that were missed"}


def run(function: str, paths: tuple[str, ...], url: str | None, *, local: bool, as_json: bool) -> int:
    """Explain it; the exit code. Raises `Stop`, `ConfigError`, or the `Fault` of a function that is not there."""
    where = [] if local else urls(paths, url)
    told: list[dict[str, Any]] = (
        [{**answer.value, "host": answer.pid or None} for answer in ask(where, "explain", {"function": function})]
        if where
        else [here(function, paths)]
    )
    for each in told:
        if as_json:
            click.echo(json.dumps(each, ensure_ascii=False))
        else:
            for line in lines(each):
                click.echo(line)
    return 0


def here(function: str, paths: tuple[str, ...]) -> dict[str, Any]:
    """The function of a project that is hosted just for this."""
    from dragoman.cli.local import StderrJournal, hosted  # noqa: PLC0415 - the host, which one that runs does without
    from dragoman.config.load import load  # noqa: PLC0415 - as above
    from dragoman.host.explaining import Explaining  # noqa: PLC0415 - as above
    from dragoman.host.run import run as run_loop  # noqa: PLC0415 - as above

    project = load(paths)

    async def learn() -> dict[str, Any]:
        async with hosted(project, StderrJournal(quiet=True)) as local:
            return Explaining(project).explain(await local.entry(function))

    return run_loop(learn())


def lines(told: dict[str, Any]) -> Iterator[str]:
    """An explanation for people."""
    host = f", on host {told['host']}" if told.get("host") else ", as its files have it"
    version = f" {told['version']}" if told.get("version") else ""
    yield _strong(f"{printable(told['function'])}{version}  [{told['language']}, {told['mode']}{host}]")
    yield from rows(told["settings"])
    for layer in told["stack"]:
        yield ""
        yield f"{_strong(layer['layer'])}: {layer['why']}"
        yield from rows(layer["settings"])
        if layer.get("state"):
            yield f"  now: {printable(_shown(layer['state']))}"
        if any(layer.get("counts", {}).values()):
            counts = ", ".join(f"{count} {word}" for word, count in layer["counts"].items() if count)
            yield f"  so far: {printable(counts)}"
    if told["workers"]:
        yield ""
        yield f"{_strong('workers')}: run what comes through"
        yield from rows(told["workers"])
    if told.get("tasks"):
        yield ""
        yield f"{_strong('tasks')}: where it is called as one"
        yield from rows(told["tasks"])
    if told.get("called_by"):
        yield ""
        yield f"{_strong('called by')}: besides those who ask for it"
        for each in told["called_by"]:
            yield f"  {'[' + each['table'] + ']':<{KEY_CELLS}} {printable(_calling(each))}"
    for out in told["left_out"]:
        yield ""
        yield f"{printable(out['layer'])} is set, and not there: {printable(out['why'])}"


def rows(settings: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each setting: its key, its value, and where that comes from."""
    for row in settings:
        value = printable(text(row["value"]))
        yield f"  {row['key']:<{KEY_CELLS}} {value:<{VALUE_CELLS}} {printable(origin(row))}"


def origin(row: dict[str, Any]) -> str:
    """Where a value comes from."""
    if row["from"] == "default":
        return f"default: {row['default']}" if "default" in row else "default"
    whole: str = row["file"]
    file = os.path.relpath(whole)
    file = whole if file.startswith("..") else file
    if row["from"] == "code":
        return f"{file}: {row['declared']}"
    applied = ", applied while it ran" if row.get("applied") else ""
    return f"{file}:{row['line']} [{row['table']}]{applied}"


def _calling(told: dict[str, Any]) -> str:
    """When a schedule calls, or which messages of a queue are calls."""
    if "when" in told:
        return f"{told['when']}, catches up with {CAUGHT_UP[told['catch_up']]}"
    which = "messages that name it" if told["by_name"] else "each message"
    task = ", as a task" if told["as"] == "task" else ""
    answers = f"results to {told['to']}" if told["to"] else "results are dropped"
    return f"{which} of {told['from']} ({told['broker']}){task}, {answers}"


def _shown(state: dict[str, Any], prefix: str = "") -> str:
    parts: list[str] = []
    for name, value in state.items():
        if isinstance(value, dict):
            parts.append(_shown(value, f"{prefix}{name}."))  # pyright: ignore[reportUnknownArgumentType] - plain JSON
        elif value is not None:
            parts.append(f"{prefix}{name} {text(value)}")
    return ", ".join(part for part in parts if part)


def _strong(line: str) -> str:
    return f"\x1b[1m{line}\x1b[0m" if colored() else line
