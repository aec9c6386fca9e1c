from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from dragoman.client.posting import Posting
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Fault, InvalidArgument
from dragoman.tasks import carrying
from dragoman.tasks.callback import Outlet, dump, parse
from dragoman.tasks.carrying import Carriers
from dragoman.tasks.message import Message
from dragoman.tasks.reach import Reach
from dragoman.tasks.resolver import SystemResolver
from dragoman.tasks.webhook import Patience, Webhooks
from tests.tasks.endpoints import endpoint, says

MESSAGE = Message("dlv_1", {"webhook-id": "dlv_1"}, b"{}")


class Queues:
    """One queue, that may be in trouble."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes, Mapping[str, str]]] = []
        self.trouble: Fault | None = None
        self.hang = False

    def __contains__(self, name: object) -> bool:
        return name == "results"

    async def publish(self, name: str, body: bytes, headers: Mapping[str, str]) -> None:
        if self.hang:
            await asyncio.Event().wait()
        if self.trouble is not None:
            raise self.trouble
        self.published.append((name, body, headers))


def carriers(queues: Queues | None = None, *, private: bool = True) -> Carriers:
    webhooks = Webhooks(Posting(), SystemResolver(), Reach(private=private), SystemClock(), Patience(1.0, 5.0))
    return Carriers(webhooks, queues)


async def test_a_url_is_posted_to_and_a_queue_published_to() -> None:
    queues = Queues()
    carry = carriers(queues)
    async with endpoint(says(200)) as there:
        assert (await carry(parse(there.url), MESSAGE)).why == ""
    assert len(there.asked) == 1
    assert (await carry(Outlet("results"), MESSAGE)).why == ""
    assert queues.published == [("results", b"{}", {"webhook-id": "dlv_1"})]
    await carry(Outlet("results", "order 17"), MESSAGE)
    assert queues.published[1][2] == {"webhook-id": "dlv_1", "correlation-id": "order 17"}


async def test_a_queue_in_trouble_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    queues = Queues()
    carry = carriers(queues)
    queues.trouble = Fault.unavailable("the broker is away")
    verdict = await carry(Outlet("results"), MESSAGE)
    assert (verdict.why, verdict.gone) == ("queue:results: the broker is away", False)
    queues.hang = True
    monkeypatch.setattr(carrying, "PUBLISH_S", 0.05)
    assert (await carry(Outlet("results"), MESSAGE)).why == "queue:results had not taken the message after 0.05s"


async def test_a_queue_that_is_no_more_is_a_failure() -> None:
    assert "no queue 'results'" in (await carriers()(Outlet("results"), MESSAGE)).why
    assert "no queue 'other'" in (await carriers(Queues())(Outlet("other"), MESSAGE)).why


async def test_what_is_asked_for_is_kept_in_one_writing() -> None:
    admit = carriers(Queues()).admit
    assert await admit(b"") == b""
    assert await admit(b'"HTTP://127.0.0.1:8700/x"') == dump(parse("http://127.0.0.1:8700/x"))
    assert await admit(b'{"queue":"results"}') == b'{"queue":"results"}'


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (b'"ftp://a/"', "begins with 'ftp:'"),
        (b'"http://me:pw@a/"', "must not hold a user"),
        (b'"http://127.0.0.1/"', "a loopback address"),
        (b'"http://[::ffff:10.0.0.1]/"', "a private address"),
        (b'"http://2852039166/"', "a link-local address"),
        (b'"queue:other"', "no queue 'other'"),
        (b"nonsense", "expected a URL such as"),
    ],
)
async def test_what_may_not_be_is_refused_before_anything_is_stored(asked: bytes, why: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        await carriers(Queues(), private=False).admit(asked)
    assert why in raised.value.detail
