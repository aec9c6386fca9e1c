"""All functions of a host by their full names, and the swap of a source's functions for new ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from dragoman.config.problem import did_you_mean
from dragoman.config.written import declared
from dragoman.contract.function import ContractError
from dragoman.contract.table import is_table_schema, tables_of
from dragoman.core.call import Priority
from dragoman.core.fault import Fault, NotFound, StartFailed
from dragoman.core.target import Target
from dragoman.host.misfits import misfit, misplaced
from dragoman.host.stacks import Site, plain_stack, stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from dragoman.config.project import FunctionSettings, Project, Source
    from dragoman.contract.function import Contract
    from dragoman.core.service import Service
    from dragoman.host.hosted import Hosted
    from dragoman.host.misfits import Placed
    from dragoman.host.world import World
    from dragoman.policies.cache import Cache
    from dragoman.policies.coalesce import Coalesce
    from dragoman.policies.surroundings import Policy

KEEPING = frozenset({"cache", "coalesce"})
"""Layers in which a call may get the answer to another one, begun before."""
STARTING_RETRY_S = 1.0
"""When a caller of a source that is still starting may ask again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One function: what it promises, where it is, and the top of its stack.

    `inner` is the part of the stack that knows nothing from one call to the next: for a call that has been through the
    whole of another one. `layers` are those that do, by name, from the outside in, and `stack` the names of all.
    """

    contract: Contract
    target: Target
    source: Source
    service: Service
    hosted: Hosted
    inner: Service
    settings: FunctionSettings
    layers: Mapping[str, Policy] = field(default_factory=dict[str, "Policy"])
    stack: tuple[str, ...] = ()


class Registry:
    """The functions of one host."""

    def __init__(self, project: Project, world: World) -> None:
        self.project = project
        self._world = world
        self._hosted: dict[str, Hosted] = {}
        self._served: set[Hosted] = set()
        self.entries: dict[str, Entry] = {}
        self.version = 0
        self.on_change: list[Callable[[Mapping[str, Entry]], None]] = []

    @property
    def sources(self) -> Mapping[str, Hosted]:
        """The sources in service, by name."""
        return self._hosted

    def serves(self, hosted: Hosted) -> bool:
        """Whether its functions are in service."""
        return hosted in self._served

    def announce(self, hosted: Hosted) -> None:
        """Know a source before it has started, so that callers hear why it does not answer."""
        self._hosted[hosted.source.name] = hosted

    def replace(self, hosted: Hosted, contracts: tuple[Contract, ...]) -> None:
        """Put a source's functions in service, in place of those it had before: in one step, so no call is lost.

        Raises `StartFailed`, with nothing changed, where a contract cannot be enforced.
        """
        source = hosted.source
        kept = {name: entry for name, entry in self.entries.items() if entry.source.name != source.name}
        added = self._entries(hosted, contracts)
        self._served = {each for each in self._served if each.source.name != source.name} | {hosted}
        self._hosted[source.name] = hosted
        self._swap({**kept, **{entry.target.name: entry for entry in added}})

    def renew(self, project: Project, fresh: Iterable[Hosted] = ()) -> None:
        """Have all functions as a project says now, in one step: no call finds some of them changed.

        Sources that are not in it are forgotten; those that are `fresh` take the place of their predecessors. Raises
        `StartFailed`, with nothing changed, where a contract cannot be enforced.
        """
        replaced = {hosted.source.name: hosted for hosted in fresh}
        before, self.project = self.project, project
        try:
            entries = {
                entry.target.name: self._entry(entry.hosted, entry.contract, entry.target.index)
                for entry in self.entries.values()
                if entry.source.name in project.sources and entry.source.name not in replaced
            }
            for hosted in replaced.values():
                added = self._entries(hosted, hosted.contracts)
                entries |= {entry.target.name: entry for entry in added}
        except BaseException:
            self.project = before
            raise
        kept = {name: hosted for name, hosted in self._hosted.items() if name in project.sources}
        self._hosted = kept | replaced
        self._served = ({each for each in self._served if kept.get(each.source.name) is each}) | set(replaced.values())
        self._served &= set(self._hosted.values())
        self._swap(entries)

    def close(self) -> None:
        """Let go of what layers hold outside of this host."""
        for entry in self.entries.values():
            leave(entry, None)

    def _swap(self, entries: dict[str, Entry]) -> None:
        before, self.entries = self.entries, entries
        for name, entry in before.items():
            leave(entry, entries.get(name))
        self.version += 1
        for tell in self.on_change:
            tell(self.entries)

    def strangers(self, source: str) -> list[str]:
        """What is wrong with the project file, as far as a source that is in service can tell.

        Names in `[functions]` that it has not, and layers that are written for functions which they do not fit.
        """
        own = {name: entry for name, entry in self.entries.items() if entry.source.name == source}
        lost = [
            wrong
            for name, entry in self.entries.items()
            if source in {entry.source.name, fallback_of(entry).partition(".")[0]}
            for wrong in self._lost_fallback(name, entry)
        ]
        return [*self._unknown(source, own), *misplaced(map(placed, own.values())), *lost]

    def all_strangers(self) -> list[str]:
        """The same of every source that is in service, found in one go."""
        by_source: dict[str, dict[str, Entry]] = {
            name: {} for name, hosted in self._hosted.items() if self.serves(hosted)
        }
        lost: list[str] = []
        for name, entry in self.entries.items():
            by_source.setdefault(entry.source.name, {})[name] = entry
            lost += self._lost_fallback(name, entry)
        found = (
            [*self._unknown(source, own), *misplaced(map(placed, own.values()))] for source, own in by_source.items()
        )
        return [*(wrong for each in found for wrong in each), *lost]

    def _unknown(self, source: str, own: Mapping[str, Entry]) -> list[str]:
        return (
            [
                f'[functions."{name}"] is for no function: {source} has none of that name{did_you_mean(name, own)}'
                for name in sorted(self.project.functions)
                if name.startswith(f"{source}.") and name not in own
            ]
            + [
                f"schedules.{name} runs {each.function!r}, which is not there{did_you_mean(each.function, own)}"
                for name, each in self.project.schedules.items()
                if each.function.partition(".")[0] == source and each.function not in own
            ]
            + [
                f"queues.{name} is for {each.function!r}, which is not there{did_you_mean(each.function, own)}"
                for name, each in self.project.queues.items()
                if each.function.partition(".")[0] == source and each.function not in own
            ]
        )

    def _lost_fallback(self, name: str, entry: Entry) -> Iterator[str]:
        """A function to fall back on that its source, which is in service, has not."""
        other = fallback_of(entry)
        source = other.partition(".")[0]
        hosted = self._hosted.get(source) if other and other not in self.entries else None
        if hosted is not None and self.serves(hosted):
            place = entry.settings.writings["fallback.function"].place
            own = [known for known in self.entries if known.partition(".")[0] == source]
            yield f"{place}: {name} falls back on {other!r}, which is not there{did_you_mean(other, own)}"

    def find(self, name: str) -> Entry:
        """The function of that name. Raises the `Fault` that says why there is none."""
        entry = self.entries.get(name)
        if entry is None:
            raise self.missing(name)
        return entry

    def missing(self, name: str) -> Fault:
        """Why there is no such function: its source cannot start, or has not yet, or nobody knows it."""
        hosted = self._hosted.get(name.partition(".")[0])
        if hosted is not None and hosted.fault is not None:
            fault = hosted.fault
            return StartFailed(fault.detail, retry_after_s=fault.retry_after_s, function=name)
        if hosted is not None and not self.serves(hosted):
            detail = f"{hosted.source.name} is still starting"
            return StartFailed(detail, retry_after_s=STARTING_RETRY_S, function=name)
        near = [known for known in self.entries if known.rpartition(".")[2] == name.rpartition(".")[2]]
        hint = f"; did you mean {near[0]}?" if near else "; GET /v1/functions lists those that are here"
        return NotFound(f"there is no function {name!r}{hint}", function=name)

    def _entries(self, hosted: Hosted, contracts: tuple[Contract, ...]) -> list[Entry]:
        try:
            return [self._entry(hosted, contract, index) for index, contract in enumerate(contracts)]
        except ContractError as error:
            raise StartFailed(f"{hosted.source.name}: {error}") from error

    def _entry(self, hosted: Hosted, contract: Contract, index: int) -> Entry:
        source = self.project.sources[hosted.source.name]
        name = source.name if source.alone else f"{source.name}.{contract.name}"
        settings = self.project.settings(source.name, name, declared(contract, str(source.path or source.name)))
        target = target_of(name, source, contract, index, settings)
        known = (settings, target, source, contract)
        fitting = {layer: options for layer, options in settings.layers.items() if not misfit(layer, options, known)}
        site = Site(source, contract, target, fitting, settings.writings.keys(), hosted.checks, hosted.as_json)
        before = self.entries.get(name)
        made = stack(hosted.service, site, self._world, None if before is None else before.layers)
        inner = plain_stack(hosted.service, site, self._world.surroundings) if made.layers else made.service
        return Entry(contract, target, source, made.service, hosted, inner, settings, made.layers, made.names)


def placed(entry: Entry) -> Placed:
    """A function with all that decides which layers it can have."""
    return entry.settings, entry.target, entry.source, entry.contract


def fallback_of(entry: Entry) -> str:
    """The function that is to answer for this one, or ""."""
    return getattr(entry.settings.layers.get("fallback"), "function", "")


def leave(old: Entry, new: Entry | None) -> None:
    """Let go of the layers that are no longer used, and of answers that may be of code which is no longer there."""
    # Of a contract with a version the answers are told apart by it.
    outdated = new is not None and new.hosted is not old.hosted and not new.contract.version
    for name in KEEPING & old.layers.keys():
        layer = cast("Cache | Coalesce", old.layers[name])
        if new is not None and new.layers.get(name) is layer:
            layer.renew(new.target, outdated=outdated)
        elif name == "cache":
            cast("Cache", layer).close()


def target_of(name: str, source: Source, contract: Contract, index: int, settings: FunctionSettings) -> Target:
    """What calls of a function are aimed at."""
    return Target(
        name,
        source.name,
        contract.name,
        index,
        settings.timeout_s or source.timeout_s,
        streaming=contract.streaming,
        idempotent=contract.idempotent if settings.idempotent is None else settings.idempotent,
        raw_input=contract.raw_input,
        raw_output=contract.raw_output,
        raw_parameter=next(iter(contract.input.get("properties", {})), "") if contract.raw_input else "",
        input_stream=contract.input_stream,
        tables=tables_of(contract.input),
        gives_table=is_table_schema(contract.output),
        priority=Priority.NORMAL if settings.priority is None else settings.priority,
        version=contract.version,
    )
