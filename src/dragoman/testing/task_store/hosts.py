"""Hosts of one test: several stores over the same data, each with a runner, and what it heard."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from dragoman.tasks.task import US, Change, Claimed, Outcome, Runner, Submission, Task, Want

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from dragoman.tasks.state import State, Step
    from dragoman.tasks.store import Store

NOW = 1_800_000_000 * US
"""When tests take place."""
HOUR = 3600 * US
PATIENCE_S = 10.0
"""How long a test waits for what is to happen soon: much longer than soon, for machines that are busy."""
_LOOK_S = 0.005

_ids = count(1)


def new_id() -> str:
    """An id that sorts behind those before it."""
    number = next(_ids)
    return f"01980000-{number >> 12 & 0xFFFF:04x}-7{number & 0xFFF:03x}-8000-{number:012x}"


def submission(**fields: Any) -> Submission:
    """A task of function `f`, submitted now, with an id of its own."""
    given: dict[str, Any] = {
        "id": new_id(),
        "function": "f",
        "version": "1",
        "body": b"{}",
        "submitted_at": NOW,
        "attempts_max": 3,
        **fields,
    }
    return Submission(**given)


async def until(true: Callable[[], bool]) -> None:
    """Wait for what is to happen soon. Raises `AssertionError` where it does not."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE_S
    while not true():
        assert loop.time() < end, "it has not happened"
        await asyncio.sleep(_LOOK_S)


@dataclass
class Host:
    """One store of a test."""

    store: Store
    runner: str
    heard: list[Change] = field(default_factory=list[Change])

    async def submit(self, **fields: Any) -> str:
        """Submit one task; its id."""
        (told,) = await self.store.submit([submission(**fields)])
        assert told.created
        return told.id

    async def claim(self, count: int = 1, function: str = "f", *, limit: int = 0, now: int = NOW) -> list[Claimed]:
        """Claim tasks of one function."""
        return await self.store.claim(self.runner, [Want(function, count, limit)], now)

    async def start(self, now: int = NOW, **fields: Any) -> Claimed:
        """Submit a task of a function of its own, and claim it."""
        given = submission(**fields)
        await self.store.submit([given])
        (claimed,) = await self.claim(1, given.function, now=now)
        assert claimed.task.id == given.id
        return claimed

    async def settle(self, claimed: Claimed, step: Step, **fields: Any) -> bool:
        """Record how an attempt ended, now."""
        given: dict[str, Any] = {"ended_at": NOW, **fields}
        outcome = Outcome(claimed.task.id, claimed.token, step, **given)
        (settled,) = await self.store.settle([outcome])
        return settled

    async def task(self, id: str) -> Task:  # noqa: A002 - the field's public name
        """A task that is there, whole."""
        task = await self.store.get(id, whole=True)
        assert task is not None
        return task

    async def state(self, id: str) -> State:  # noqa: A002 - as above
        """The state of a task that is there."""
        return (await self.task(id)).state


class Makes(Protocol):
    """A test of stores: it makes them."""

    def make(self) -> Store:
        """A store that is not open, over the data of this test."""
        ...


@asynccontextmanager
async def hosting(made_by: Makes, number: int = 1) -> AsyncGenerator[list[Host]]:
    """So many open hosts, each with a runner that is known."""
    async with AsyncExitStack() as stack:
        opened: list[Host] = []
        for position in range(number):
            host = Host(made_by.make(), f"runner-{position}-{next(_ids)}")
            host.store.listen(host.heard.extend)
            await host.store.open()
            stack.push_async_callback(host.store.close)
            await host.store.enlist(Runner(host.runner))
            opened.append(host)
        yield opened


class Part:
    """A part of the suite."""

    def make(self) -> Store:
        """A store that is not open, over the data of this test."""
        raise NotImplementedError

    def hosts(self, number: int = 1) -> AbstractAsyncContextManager[list[Host]]:
        """So many open hosts, each with a runner that is known."""
        return hosting(self, number)
