"""All functions of a host by their full names, and the swap of a source's functions for new ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.config.problem import did_you_mean
from dragoman.contract.function import ContractError
from dragoman.contract.table import is_table_schema, tables_of
from dragoman.core.fault import Fault, NotFound, StartFailed
from dragoman.core.target import Target
from dragoman.host.stacks import stack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.config.project import Project, Source
    from dragoman.contract.function import Contract
    from dragoman.core.clock import Clock
    from dragoman.core.service import Service
    from dragoman.host.hosted import Hosted

STARTING_RETRY_S = 1.0
"""When a caller of a source that is still starting may ask again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One function: what it promises, where it is, and the top of its stack."""

    contract: Contract
    target: Target
    source: Source
    service: Service
    hosted: Hosted


class Registry:
    """The functions of one host."""

    def __init__(self, project: Project, clock: Clock) -> None:
        self._project = project
        self._clock = clock
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
        try:
            added = [self._entry(hosted, contract, index) for index, contract in enumerate(contracts)]
        except ContractError as error:
            raise StartFailed(f"{source.name}: {error}") from error
        self._served = {each for each in self._served if each.source.name != source.name} | {hosted}
        self._hosted[source.name] = hosted
        self.entries = {**kept, **{entry.target.name: entry for entry in added}}
        self.version += 1
        for tell in self.on_change:
            tell(self.entries)

    def strangers(self, source: str) -> list[str]:
        """What is wrong with `[functions]` of the project file: names that a source, which is in service, has not."""
        own = [name for name in self.entries if self.entries[name].source.name == source]
        return [
            f'[functions."{name}"] is for no function: {source} has none of that name{did_you_mean(name, own)}'
            for name in sorted(self._project.functions)
            if name.startswith(f"{source}.") and name not in self.entries
        ]

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

    def _entry(self, hosted: Hosted, contract: Contract, index: int) -> Entry:
        source = hosted.source
        name = source.name if source.alone else f"{source.name}.{contract.name}"
        settings = self._project.settings(source.name, name)
        target = Target(
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
        )
        return Entry(
            contract,
            target,
            source,
            stack(hosted.service, source, contract, self._clock, checks=hosted.checks, as_json=hosted.as_json),
            hosted,
        )
