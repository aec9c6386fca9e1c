"""What is different in a project that was read anew: what can be put in force while calls run, and what cannot."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from dragoman.config import settings
from dragoman.config.layers import GROUPS
from dragoman.config.notation import noted, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dragoman.config.project import FunctionSettings, Project, Source
    from dragoman.config.setting import Setting

OFF = "off"
LASTING = frozenset({"store", "lease_s"})
"""Fields of `[tasks]` that runners have told others, or work with from their start on."""
OF_TASKS = {setting.field: setting for setting in settings.TASKS}
OF_FUNCTIONS = {setting.key: setting for setting in settings.FUNCTION}


@dataclass(frozen=True, slots=True)
class Difference:
    """Sources to be started, retired, and reloaded with other settings; and the settings that only a restart changes.

    `functions` are changes of single settings, a line each: `stats.mean: retry.attempts: 3 -> 5`.
    """

    started: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()
    reloaded: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the project says what it said."""
        return self == Difference()

    @property
    def lines(self) -> list[str]:
        """For people, a line each."""
        return [
            *(f"{name}: started" for name in self.started),
            *(f"{name}: retired; its calls in flight finish" for name in self.retired),
            *(f"{name}: reloaded with its new settings" for name in self.reloaded),
            *self.functions,
            *(f"{key}: takes a restart, and stays as it was until then" for key in self.restart),
        ]


def difference(old: Project, new: Project, functions: Iterable[tuple[str, FunctionSettings]]) -> Difference:
    """What a new project changes. `functions` are those in service, by full name, with what holds for them now."""
    both = [name for name in new.sources if name in old.sources]
    return Difference(
        started=tuple(name for name in new.sources if name not in old.sources),
        retired=tuple(name for name in old.sources if name not in new.sources),
        reloaded=tuple(name for name in both if own(old.sources[name]) != own(new.sources[name])),
        functions=(
            *_of_functions(new, functions),
            *_of_tasks(old, new),
            *_of_schedules(old, new),
            *_of_queues(old, new),
        ),
        restart=tuple(_fixed(old, new)),
    )


def own(source: Source) -> Source:
    """What of a source takes other workers to change. The rest is read for each call."""
    # What an executable, or a lone service, is said to be is part of the contract that it starts with.
    idempotent = source.idempotent if source.alone else None
    return replace(source, writings={}, timeout_s=0.0, idempotent=idempotent)


def _of_functions(new: Project, functions: Iterable[tuple[str, FunctionSettings]]) -> Iterator[str]:
    for name, before in functions:
        source = name.partition(".")[0]
        if source not in new.sources:
            continue
        said = {key: each for key, each in before.writings.items() if not each.place.line}
        after = new.settings(source, name, said)
        earlier, later = shown(before), shown(after)
        for key in [*earlier, *(key for key in later if key not in earlier)]:
            if earlier.get(key, OFF) != later.get(key, OFF):
                yield f"{name}: {key}: {earlier.get(key, OFF)} -> {later.get(key, OFF)}"


def _of_tasks(old: Project, new: Project) -> Iterator[str]:
    """Settings of `[tasks]` that hold from now on."""
    for field, setting in OF_TASKS.items():
        earlier, later = (text(noted(setting, getattr(each.tasks, field))) for each in (old, new))
        if field not in LASTING and earlier != later:
            yield f"tasks.{setting.key}: {earlier} -> {later}"


def _of_schedules(old: Project, new: Project) -> Iterator[str]:
    """Schedules that are other ones from now on."""
    for name in dict.fromkeys((*old.schedules, *new.schedules)):
        earlier, later = old.schedules.get(name), new.schedules.get(name)
        if earlier != later:
            told = [OFF if each is None else f"{each.function} {each.told}" for each in (earlier, later)]
            yield f"schedules.{name}: {' -> '.join(told)}" if told[0] != told[1] else f"schedules.{name}: changed"


def _of_queues(old: Project, new: Project) -> Iterator[str]:
    """Queues that are read or written otherwise from now on. Addresses may hold passwords, and stay untold."""
    for name in dict.fromkeys((*old.queues, *new.queues)):
        earlier, later = old.queues.get(name), new.queues.get(name)
        if earlier is None or later is None:
            yield f"queues.{name}: {OFF} -> on" if earlier is None else f"queues.{name}: on -> {OFF}"
            continue
        changed = (each.key for each in settings.QUEUE if getattr(earlier, each.field) != getattr(later, each.field))
        yield from (f"queues.{name}.{key}: changed" for key in changed)


def shown(found: FunctionSettings) -> dict[str, str]:
    """The settings of a function as text, by key; those of a layer that is not there are left out."""
    told: dict[str, str] = {}
    if found.timeout_s is not None:
        told["timeout"] = text(noted(OF_FUNCTIONS["timeout"], found.timeout_s))
    if found.idempotent is not None:
        told["idempotent"] = text(found.idempotent)
    told["priority"] = "normal" if found.priority is None else found.priority.name.lower()
    groups: dict[str, object] = dict(found.layers)
    if found.task.enabled:
        groups["task"] = found.task
    for group, options in groups.items():
        for setting, value in values(group, options):
            told[setting.key] = text(noted(setting, value))
    return told


def values(layer: str, options: object) -> Iterator[tuple[Setting, object]]:
    """The settings of a layer, or of tasks, with the values that their options have."""
    for setting in GROUPS[layer][1:]:
        yield setting, getattr(options, setting.field.rpartition(".")[2])


def _fixed(old: Project, new: Project) -> Iterator[str]:
    """The settings that only a restart changes."""
    if old.name != new.name:
        yield "project.name"
    for table, known in (("http", settings.HTTP), ("native", settings.NATIVE)):
        yield from _fields(table, (getattr(old, table), getattr(new, table)), {each.field: each.key for each in known})
    yield from _fields("tasks", (old.tasks, new.tasks), {field: OF_TASKS[field].key for field in LASTING})
    if old.shared != new.shared:
        if old.shared is None or new.shared is None:
            yield "shared"
        else:
            yield from _fields("shared", (old.shared, new.shared), {each.field: each.key for each in settings.SHARED})


def _fields(table: str, pair: tuple[Any, Any], keys: Mapping[str, str]) -> Iterator[str]:
    for field in fields(pair[0]):
        if field.name in keys and getattr(pair[0], field.name) != getattr(pair[1], field.name):
            yield f"{table}.{keys[field.name]}"
