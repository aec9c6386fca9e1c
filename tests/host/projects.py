"""Hosts on the test's own loop, and calls on them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from dragoman.client.value import decode_reply, encode_for, gathered
from dragoman.config.load import load
from dragoman.host.assemble import host as assemble
from dragoman.host.assemble import parts
from dragoman.host.journal import Journal, SilentJournal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from dragoman.host.host import Host


@asynccontextmanager
async def hosting(*paths: Path, journal: Journal | None = None) -> AsyncGenerator[Host]:
    """A host of these paths, not yet started; it is stopped at the end."""
    host = assemble(parts(load(paths), lambda _: journal or SilentJournal()))
    try:
        yield host
    finally:
        await host.stop(0)


async def ask(host: Host, function: str, timeout_s: float | None = None, **parameters: Any) -> Any:
    """The value that a function answers."""
    entry = host.registry.find(function)
    call = host.call(entry.target, *encode_for(entry.target, parameters), timeout_s)
    reply = await entry.service(call)
    return decode_reply(reply) if reply.items is None else await gathered(reply)
