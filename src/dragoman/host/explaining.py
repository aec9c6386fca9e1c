"""What stands around a function, from the outside in: each value, where it comes from, and what the layers know now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.config import settings
from dragoman.config.notation import noted
from dragoman.config.written import Level
from dragoman.core.call import Priority
from dragoman.host.difference import values
from dragoman.host.misfits import misfit
from dragoman.host.stacks import STACK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dragoman.config.project import FunctionSettings, Project, Source
    from dragoman.config.setting import Setting
    from dragoman.config.written import Writings
    from dragoman.host.registry import Entry

WHY = {line.name: line.why for line in STACK}
KNOWN = {setting.key: setting for setting in (*settings.FUNCTION, *settings.TASK, *settings.POOL)}
OF_PLAIN = {"size": ("body_max",), "deadline": ("timeout",), "validate": ()}
"""The settings that say how a layer without a table of its own works."""
OF_POOL = {
    "warm": ("workers.min", "workers.max", "concurrency", "queue"),
    "fork": ("workers.min", "workers.max", "queue"),
    "exec": ("workers.min", "workers.max", "queue"),
}
"""What says how many calls the workers of a source take; inside the host the bulkhead does."""


class Explaining:
    """Explains functions of a project. `first` is the one that the host started with, where another is in force now."""

    def __init__(self, project: Project, first: Project | None = None) -> None:
        self._project = project
        self._first = first

    def explain(self, entry: Entry, *, live: bool = False) -> dict[str, Any]:
        """One function, as plain JSON. With `live`, what its layers have done and know."""
        target, source, found = entry.target, entry.source, entry.settings
        earlier = self._earlier(entry)
        own = [
            self._row("timeout", target.timeout_s, found, earlier),
            self._row("idempotent", target.idempotent, found, earlier),
            self._row("priority", Priority(target.priority).name.lower(), found, earlier),
        ]
        return {
            "function": target.name,
            "language": source.language,
            "mode": source.mode,
            "version": target.version or None,
            "settings": own,
            "stack": [self._layer(name, entry, earlier, live=live) for name in entry.stack],
            "workers": [self._row(key, _of_pool(source, key), found, earlier) for key in OF_POOL.get(source.mode, ())],
            "tasks": self._tasks(entry, earlier),
            "called_by": list(called_by(target.name, self._project)),
            "left_out": list(left_out(entry)),
        }

    def _tasks(self, entry: Entry, earlier: FunctionSettings | None) -> list[dict[str, Any]]:
        """What holds where it is called as a task; nothing where it cannot be."""
        found, options = entry.settings, entry.settings.task
        if not options.enabled:
            return [self._row("task.enabled", value=False, found=found, earlier=earlier)]
        own = {"task.timeout": options.timeout_s or entry.target.timeout_s}
        return [
            self._row(each.key, own.get(each.key, value), found, earlier) for each, value in values("task", options)
        ]

    def _earlier(self, entry: Entry) -> FunctionSettings | None:
        """What held for the function when the host started; None where that is what holds now."""
        first, source = self._first, entry.source.name
        if first is None or source not in first.sources:
            return None
        said = {key: each for key, each in entry.settings.writings.items() if each.level is Level.CODE}
        return first.settings(source, entry.target.name, said)

    def _layer(self, name: str, entry: Entry, earlier: FunctionSettings | None, *, live: bool) -> dict[str, Any]:
        found = entry.settings
        told: dict[str, Any] = {"layer": name, "why": WHY[name], "settings": []}
        layer = entry.layers.get(name)
        if layer is None:
            for key in OF_PLAIN[name]:
                value = entry.target.timeout_s if key == "timeout" else _of_pool(entry.source, key)
                told["settings"].append(self._row(key, value, found, earlier))
            return told
        options = getattr(layer, "options", None)
        before = None if earlier is None else earlier.layers.get(name)
        for setting, value in values(name, options):
            row = _written(setting, value, found.writings)
            if row["from"] == "default" and name == "bulkhead" and entry.source.bounds_calls:
                # Without a pool the source's own bounds are those of this layer.
                row |= _written(KNOWN.get(setting.key.removeprefix("bulkhead."), setting), value, found.writings)
                row["key"] = setting.key
            if self._first is not None and (before is None or dict(_keyed(name, before)).get(setting.key) != value):
                _mark(row, earlier)
            told["settings"].append(row)
        if live:
            told["state"], told["counts"] = dict(layer.state()), dict(layer.counts)
        return told

    def _row(
        self, key: str, value: object, found: FunctionSettings, earlier: FunctionSettings | None
    ) -> dict[str, Any]:
        row = _written(KNOWN[key], value, found.writings)
        if earlier is not None and key in found.writings and found.writings[key] != earlier.writings.get(key):
            _mark(row, earlier)
        return row


def _mark(row: dict[str, Any], earlier: FunctionSettings | None) -> None:
    """Say that something came in force while the host ran."""
    if earlier is not None and row["from"] != "code":
        row["applied"] = True


def _keyed(name: str, options: object) -> Iterable[tuple[str, object]]:
    return ((setting.key, value) for setting, value in values(name, options))


def _written(setting: Setting, value: object, writings: Writings) -> dict[str, Any]:
    """A value and where it comes from."""
    row: dict[str, Any] = {"key": setting.key, "value": noted(setting, value)}
    written = writings.get(setting.key)
    if written is None:
        told = {"default": setting.default} if setting.in_words and row["value"] is not None else {}
        return row | {"from": "default"} | told
    place = written.place
    if written.level is Level.CODE:
        return row | {"from": "code", "file": place.file, "declared": place.key}
    return row | {"from": "file", "file": place.file, "line": place.line, "table": place.table, "written": place.key}


def _of_pool(source: Source, key: str) -> object:
    return getattr(source.pool, KNOWN[key].field.removeprefix("pool."))


def called_by(function: str, project: Project) -> Iterable[dict[str, Any]]:
    """Which tables of the project file have a function called, besides those who ask for it."""
    for schedule in project.schedules.values():
        if schedule.function == function:
            yield {"table": f"schedules.{schedule.name}", "when": schedule.told, "catch_up": schedule.catch_up}
    for queue in project.queues.values():
        if queue.source and queue.function in {function, ""}:
            # Its address may hold a password.
            yield {
                "table": f"queues.{queue.name}",
                "broker": queue.kind,
                "from": queue.source,
                "to": queue.to or None,
                "as": queue.becomes,
                "by_name": not queue.function,
            }


def left_out(entry: Entry) -> Iterable[dict[str, str]]:
    """Layers that are set and that the function does not have: which, and why."""
    placed = (entry.settings, entry.target, entry.source, entry.contract)
    for layer, options in entry.settings.layers.items():
        if why := misfit(layer, options, placed):
            yield {"layer": layer, "why": why}
