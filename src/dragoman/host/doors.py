"""The host's functions as the HTTP ingress wants them: doors for calls, a catalogue for everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.ingress.http.doors import Door, Doors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core.call import Call
    from dragoman.core.fault import Fault
    from dragoman.host.host import Host
    from dragoman.host.registry import Entry
    from dragoman.telemetry.log import Log
    from dragoman.telemetry.metrics import Metrics


class HostDoors:
    """Keeps the doors of an ingress in step with the host's functions."""

    def __init__(self, host: Host, metrics: Metrics) -> None:
        self.doors = Doors(host.registry.missing)
        self._host = host
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

    def listener(self, metrics: Metrics, log: Log) -> Listener:
        """What the lane tells of refusals and faults."""
        return Listener(metrics, log)

    def application(self, metrics: Metrics, version: str) -> Any:
        """The ASGI application for everything that is not a call."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        return app


class Listener:
    """Writes what the lane tells to metrics and log."""

    def __init__(self, metrics: Metrics, log: Log) -> None:
        self.refused = metrics.http.refused
        self._log = log

    def failed(self, call: Call, fault: Fault) -> None:
        """Log a call that failed, if it is somebody's fault here."""
        fault.function = fault.function or call.target.name
        self._log.fault(fault)
