"""The host's functions as the HTTP ingress wants them: doors for calls, a catalogue for everything else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dragoman.ingress.http.catalogue import FunctionEntry
from dragoman.ingress.http.doors import Door, Doors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core.call import Call
    from dragoman.core.fault import Fault
    from dragoman.host.host import Host
    from dragoman.host.registry import Entry
    from dragoman.telemetry.log import Log
    from dragoman.telemetry.metrics import IngressMeter, Metrics


class HostDoors:
    """Keeps the doors of an ingress in step with the host's functions."""

    def __init__(self, host: Host, metrics: Metrics) -> None:
        self.doors = Doors(host.registry.missing)
        self._metrics = metrics
        host.registry.on_change.append(self._changed)
        self._changed(host.registry.entries)

    def _changed(self, entries: Mapping[str, Entry]) -> None:
        metrics = self._metrics
        self.doors.replace(
            {
                name: Door(entry.target, entry.service, metrics.meter(name), entry.contract.input)
                for name, entry in entries.items()
            }
        )


class HostCatalogue:
    """The host's functions as its pages list them."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._made: tuple[int, dict[str, FunctionEntry]] = (-1, {})

    @property
    def service(self) -> str:
        """The project's name."""
        return self._host.project.name

    @property
    def version(self) -> int:
        """Changes whenever the functions do."""
        return self._host.registry.version

    def functions(self) -> Mapping[str, FunctionEntry]:
        """The functions by full name, sorted."""
        version, made = self._made
        if version != self.version:
            entries = sorted(self._host.registry.entries.items())
            made = {name: shown(name, entry) for name, entry in entries}
            self._made = (self.version, made)
        return made


def shown(name: str, entry: Entry) -> FunctionEntry:
    """One function as the pages show it."""
    source = entry.source
    # The project file may say of a function that it is idempotent, or that it is not.
    contract = replace(entry.contract, idempotent=entry.target.idempotent)
    return FunctionEntry(name, contract, source.name, source.language, source.mode, entry.target.timeout_s)


class Listener:
    """Writes what a lane tells to metrics and log."""

    def __init__(self, counts: IngressMeter, log: Log) -> None:
        self.counts = counts
        self._log = log

    def failed(self, call: Call, fault: Fault) -> None:
        """Log a call that failed, if it is somebody's fault here."""
        fault.function = fault.function or call.target.name
        self._log.fault(fault)
