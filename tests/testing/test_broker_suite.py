"""The fake keeps the promises that it stands for, and the suite sees where they are broken."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import pytest

from dragoman.queues.broker import Broker, Done, Unfit
from dragoman.testing.broker import MemoryBroker
from dragoman.testing.broker_suite import CASES, Rig, what_is_finished_is_sent_and_does_not_come_again


class MemoryRig:
    """All hosts of the group are one object: who dies gives back what it had."""

    lease_s = 0.05

    def __init__(self, server: MemoryBroker) -> None:
        self._server = server

    def broker(self) -> Broker:
        return self._server

    async def abandon(self, broker: Broker) -> None:
        await self._server.give_back(list(self._server.pending.values()))

    async def send(self, body: bytes, headers: Mapping[str, str]) -> None:
        self._server.send(body, headers)

    async def sent(self, place: str) -> Sequence[tuple[bytes, Mapping[str, str]]]:
        return [(each.body, each.headers) for each in self._server.places.get(place, [])]


class Forgetful(MemoryBroker):
    """Acknowledges, and sends nothing."""

    async def finish(self, done: Sequence[Done]) -> Sequence[Unfit]:
        return await super().finish([Done(each.message) for each in done])


SHARED = {"what_a_host_has_when_it_closes_goes_to_another"}
"""Cases that take two hosts to be two objects."""


@pytest.mark.parametrize(
    "case", [each for each in CASES if each.__name__ not in SHARED], ids=lambda case: case.__name__
)
async def test_the_fake_does_what_brokers_promise(case: Callable[[Rig], Awaitable[None]]) -> None:
    await case(MemoryRig(MemoryBroker()))


async def test_a_broken_promise_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.testing.broker_suite.SOON_S", 0.2)
    with pytest.raises((AssertionError, TimeoutError)):
        await what_is_finished_is_sent_and_does_not_come_again(MemoryRig(Forgetful()))
