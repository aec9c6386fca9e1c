"""What operators ask of a running host, on a socket that is theirs alone: to apply, explain, force, forget, run."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Protocol, cast

from dragoman.config.problem import ConfigError
from dragoman.contract import codec
from dragoman.core.call import Call, Codec, Reply
from dragoman.core.draft import whole
from dragoman.core.fault import Fault, InvalidArgument, Started
from dragoman.core.service import settle
from dragoman.core.target import Target
from dragoman.host.explaining import Explaining
from dragoman.host.stacks import Site, plain_stack
from dragoman.ingress.native.doors import OWN, Door
from dragoman.ingress.native.listing import input_of
from dragoman.telemetry.metrics import Meter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dragoman.host.applying import Applying
    from dragoman.host.difference import Difference
    from dragoman.host.host import Host
    from dragoman.host.registry import Entry
    from dragoman.policies.breaker import Breaker
    from dragoman.policies.cache import Cache

CONTROL = f"{OWN}control."
ANSWER_S = 86_400.0
"""How long an answer may take: sources are built before they are put in service, each by its own `build_timeout`."""
FORCES = {"open": "open", "closed": "closed", "auto": None}
LAYERS_TOLD_MAX = 1000
"""Layers of a host whose state is told at once; of a larger host functions are explained one by one."""


class Served(Protocol):
    """A host that serves, as its operators have it."""

    host: Host
    applying: Applying | None

    @property
    def url(self) -> str | None:
        """Where HTTP is served."""
        ...

    @property
    def urls(self) -> list[str]:
        """Where native clients are served."""
        ...

    async def apply(self) -> Difference:
        """Put the project file in force."""
        ...


class Control:
    """The functions of one host's control socket."""

    def __init__(self, serving: Served) -> None:
        self._serving = serving

    def doors(self) -> dict[str, Door]:
        """A door for each of them."""
        given: dict[str, Callable[[dict[str, Any]], Awaitable[object]]] = {
            "apply": self._apply,
            "explain": self._explain,
            "breaker": self._breaker,
            "invalidate": self._invalidate,
            "state": self._state,
            "schedules": self._schedules,
            "trigger": self._trigger,
        }
        return {CONTROL + name: self._door(CONTROL + name, work) for name, work in given.items()}

    def missing(self, name: str) -> Fault:
        """Functions are called elsewhere."""
        detail = f"this socket is for operators: {name!r} is none of {', '.join(self.doors())}"
        return Fault.of("NOT_FOUND", detail, started=Started.NO, function=name)

    def _door(self, name: str, work: Callable[[dict[str, Any]], Awaitable[object]]) -> Door:
        async def service(call: Call) -> Reply:
            return Reply(json.dumps(await work(input_of(call)), ensure_ascii=False).encode(), Codec.JSON)

        return Door(Target(name, "dragoman", name.removeprefix(OWN), 0, ANSWER_S), service, Meter())

    async def _apply(self, _: dict[str, Any]) -> object:
        try:
            told = await self._serving.apply()
        except ConfigError as error:
            raise InvalidArgument(f"nothing was changed:\n{error}", started=Started.NO) from None
        return {"file": str(self._serving.host.project.file), "changes": told.lines, "restart": list(told.restart)}

    async def _explain(self, given: dict[str, Any]) -> object:
        applying = self._serving.applying
        changed = applying is not None and applying.applied_at is not None
        explaining = Explaining(self._serving.host.project, applying.first if applying and changed else None)
        return explaining.explain(self._entry(given), live=True)

    async def _breaker(self, given: dict[str, Any]) -> object:
        entry, force = self._entry(given), given.get("force")
        if force not in FORCES:
            raise InvalidArgument(f"force is open, closed or auto, not {force!r}", started=Started.NO)
        breaker = cast("Breaker", self._layer(entry, "breaker"))
        breaker.force(cast("Any", FORCES[force]))
        return {"function": entry.target.name, "state": dict(breaker.state())}

    async def _invalidate(self, given: dict[str, Any]) -> object:
        entry = self._entry(given)
        cache = cast("Cache", self._layer(entry, "cache"))
        tag = given.get("tag")
        if tag is not None and tag not in cache.options.tags:
            known = f"its tags are {', '.join(cache.options.tags)}" if cache.options.tags else "it has none"
            raise InvalidArgument(f"{entry.target.name} has no tag {tag!r}: {known} (cache.tags)", started=Started.NO)
        if "input" not in given:
            return {"function": entry.target.name, "forgotten": cache.invalidate(tag=tag)}
        body, kind = await self._as_kept(entry, codec.encode(given["input"], Codec.JSON))
        return {"function": entry.target.name, "forgotten": cache.invalidate(body, codec=kind)}

    async def _as_kept(self, entry: Entry, body: bytes) -> tuple[bytes, Codec]:
        """An input as the cache sees it: with what the layers before it fill in. Raises `InvalidArgument`."""
        seen: list[Call] = []

        async def see(call: Call) -> Reply:
            seen.append(call)
            return Reply(b"")

        site = Site(
            entry.source, entry.contract, entry.target, checks=entry.hosted.checks, as_json=entry.hosted.as_json
        )
        host = self._serving.host
        await settle(
            plain_stack(see, site, host.world.surroundings)(host.call(entry.target, body, Codec.JSON, Codec.JSON))
        )
        return bytes(whole(seen[0].body)), seen[0].codec

    async def _state(self, _: dict[str, Any]) -> object:
        serving = self._serving
        host, applying = serving.host, serving.applying
        layers = list(host.layers())
        return {
            "project": host.project.name,
            "file": None if host.project.file is None else str(host.project.file),
            "pid": os.getpid(),
            "urls": [*([serving.url] if serving.url else []), *serving.urls],
            "applied_at": None if applying is None else applying.applied_at,
            "sources": {
                name: hosted.fault.detail if hosted.fault else None for name, hosted in host.registry.sources.items()
            },
            "functions": sorted(host.registry.entries),
            "shared": host.world.state(),
            "layers": [
                {"function": function, "layer": layer, "state": dict(policy.state()), "counts": dict(policy.counts)}
                for function, layer, policy in layers[:LAYERS_TOLD_MAX]
            ],
        }

    async def _schedules(self, _: dict[str, Any]) -> object:
        host = self._serving.host
        return {"schedules": await host.scheduling.look() if host.project.schedules else []}

    async def _trigger(self, given: dict[str, Any]) -> object:
        name = given.get("schedule")
        if not isinstance(name, str):
            raise InvalidArgument("schedule is missing: a schedule's name", started=Started.NO)
        return {"schedule": name, "task": await self._serving.host.scheduling.trigger(name)}

    def _entry(self, given: dict[str, Any]) -> Entry:
        name = given.get("function")
        if not isinstance(name, str):
            raise InvalidArgument("function is missing: a function's full name", started=Started.NO)
        return self._serving.host.registry.find(name)

    def _layer(self, entry: Entry, name: str) -> object:
        if name not in entry.layers:
            detail = f"{entry.target.name} has no {name}: set one in the project file ({name} = …)"
            raise Fault.of("FAILED_PRECONDITION", detail, started=Started.NO, function=entry.target.name)
        return entry.layers[name]
