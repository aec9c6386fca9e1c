"""The control socket of a host that serves: opened last, closed last, and not needed for anything else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dragoman.config.load import identity
from dragoman.host.control import Control
from dragoman.host.doors import Listener
from dragoman.host.meeting import place
from dragoman.host.native import Pages
from dragoman.host.task_doors import TaskDoors
from dragoman.ingress.listener import Naming
from dragoman.ingress.native.doors import Doors
from dragoman.ingress.native.guard import Guard
from dragoman.ingress.native.lane import NativeLane
from dragoman.ingress.native.listening import listen
from dragoman.ingress.native.listing import own_doors
from dragoman.ingress.native.options import NativeOptions
from dragoman.ingress.native.server import NativeServer
from dragoman.telemetry.metrics import IngressMeter, Meter
from dragoman.wire.address import UNIX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dragoman.config.project import Project
    from dragoman.host.assemble import Parts
    from dragoman.host.control import Served
    from dragoman.host.host import Host
    from dragoman.ingress.native.doors import Door
    from dragoman.telemetry.log import Log

OPTIONS = NativeOptions(connections_max=64, calls_max=64)
"""Operators are few, and what they ask is short, but for the inputs of tasks that they submit."""


class Operating:
    """The socket that operators of one host use."""

    def __init__(
        self, serving: Served, parts: Parts, log: Log, version: str, folders: Sequence[Path] | None = None
    ) -> None:
        """Take a socket's file. Raises `OSError` where there is no private place for it."""
        self.path = place(identity_of(parts.project), os.getpid(), folders)
        # The host's own user and root, whom the kernel names; nobody can be added.
        self._listening = listen(f"{UNIX}{self.path}", Guard())
        control = Control(serving)
        naming = Naming(parts.project.name, f"{parts.call_prefix}-", parts.next_id, f"dragoman/{version}")
        lane = NativeLane(
            Doors(control.missing, control.doors() | doors_for_tasks(serving.host)),
            OPTIONS,
            parts.tracer,
            parts.clock,
            naming,
            Listener(IngressMeter(), log),
        )
        self._server = NativeServer(lane, [self._listening], None)

    async def open(self) -> None:
        """Begin to answer."""
        await self._server.open()

    async def close(self) -> None:
        """Answer nobody any more, and leave no file behind."""
        await self._server.close()

    def leave(self) -> None:
        """Leave no file behind, where `close` is not waited for. Harmless when repeated."""
        self._listening.remove()
        self._listening.sock.close()


def doors_for_tasks(host: Host) -> dict[str, Door]:
    """What operators need to submit tasks, and to see what becomes of them."""
    return own_doors(Pages(host), host.registry.missing, Meter()) | TaskDoors(host).doors(Meter())


def identity_of(project: Project) -> str:
    """What tells a project from others, as `config.load.identity` says it of the paths that it was loaded from."""
    if project.file is not None:
        return identity([project.file])
    return identity([source.path or source.command[0] for source in project.sources.values()])
