"""Tells the ends of tasks to whom their callbacks name, by what the project says now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dragoman.tasks.carrying import Carriers
from dragoman.tasks.courier import Courier, CourierOptions, World
from dragoman.tasks.message import Composer
from dragoman.tasks.reach import Reach
from dragoman.tasks.resolver import SystemResolver
from dragoman.tasks.webhook import Patience, Webhooks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.client.posting import Posting
    from dragoman.config.project import Project
    from dragoman.host.journal import Journal
    from dragoman.host.tasking import Tasking
    from dragoman.host.works import Hosting
    from dragoman.tasks.callback import Callback
    from dragoman.tasks.carrying import Queues
    from dragoman.tasks.message import Message
    from dragoman.tasks.options import TasksOptions
    from dragoman.tasks.runner import Runner
    from dragoman.tasks.store import Store
    from dragoman.tasks.task import Delivery
    from dragoman.tasks.verdict import Verdict

CONNECT_S = 5.0
"""Longer than three tries of a connection whose packets are lost, and short of the whole attempt."""
END_S = 2.0
"""How long a host that stops lets deliveries end that are under way; what is not done then goes out again later."""


class Delivering:
    """The callbacks of one host. `queues` are those that it may publish to; whoever has some sets them."""

    def __init__(self, host: Hosting, journal: Journal) -> None:
        self.queues: Queues | None = None
        self.courier: Courier | None = None
        self._host = host
        self._journal = journal
        self._resolver = SystemResolver()
        self._posting: Posting | None = None
        self._made: tuple[TasksOptions, Queues | None, Carriers, Composer] | None = None

    def wanted(self, project: Project) -> bool:  # noqa: ARG002 - the port's
        """Never by itself: a store that has deliveries is there already."""
        return False

    async def begin(self, tasking: Tasking, store: Store, runner: Runner) -> None:
        """Deliver what this host takes out of the store."""
        around = self._host.world.surroundings
        world = World(around.clock, around.call_later, around.random)
        courier = Courier(store, self._carry, self._compose, world, self._note, self._options())
        tasking.watching.listeners.append(courier.heard)
        courier.start(lambda: runner.id)
        self.courier = courier

    async def end(self) -> None:
        """Stop, and give back what is not delivered."""
        if self.courier is not None:
            await self.courier.stop(END_S)

    async def admit(self, callback: bytes) -> bytes:
        """A callback as it is kept. Raises `InvalidArgument` with the reason why there can be none."""
        return await self._parts()[0].admit(callback) if callback else b""

    def _parts(self) -> tuple[Carriers, Composer]:
        """What is made of the project's settings, made anew where these are others."""
        options = self._host.project.tasks
        if self._made is None or self._made[:2] != (options, self.queues):
            reach = Reach(private=options.callbacks_private, allowed=options.callbacks_allow)
            patience = Patience(min(CONNECT_S, options.callback_timeout_s), options.callback_timeout_s)
            webhooks = Webhooks(self._post, self._resolver, reach, self._host.world.surroundings.clock, patience)
            composer = Composer(options.callback_secrets)
            self._made = options, self.queues, Carriers(webhooks, self.queues), composer
            if self.courier is not None:
                self.courier.options = self._options()
        return self._made[2], self._made[3]

    def _options(self) -> CourierOptions:
        return replace(CourierOptions(), attempts_max=self._host.project.tasks.callback_attempts)

    def _compose(self, delivery: Delivery, now: int) -> Message:
        return self._parts()[1](delivery, now)

    async def _carry(self, callback: Callback, message: Message) -> Verdict:
        return await self._parts()[0](callback, message)

    async def _post(
        self, url: str, headers: Mapping[str, str], body: bytes, server_name: str, connect_s: float, /
    ) -> tuple[int, Mapping[str, str]]:
        if self._posting is None:
            from dragoman.client.posting import Posting  # noqa: PLC0415 - the HTTP client, which few hosts need

            self._posting = Posting()
        return await self._posting(url, headers, body, server_name, connect_s)

    def _note(self, message: str) -> None:
        self._journal.note("warning", message, "", 0)
