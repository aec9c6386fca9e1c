"""Messages are posted to real servers on loopback, which is allowed here where a test does not ask otherwise."""

from __future__ import annotations

import asyncio
import json
from email.utils import formatdate
from itertools import count

import pytest

from dragoman.client.posting import Posting
from dragoman.core.clock import SystemClock
from dragoman.tasks.callback import Url, parse
from dragoman.tasks.message import Message
from dragoman.tasks.reach import Reach
from dragoman.tasks.resolver import Resolver, SystemResolver
from dragoman.tasks.webhook import Patience, Webhooks
from dragoman.testing import ManualClock
from tests.tasks.endpoints import Asked, endpoint, hangs, says

MESSAGE = Message("dlv_1", {"webhook-id": "dlv_1", "content-type": "application/json"}, b'{"type":"task.succeeded"}')
HERE = Reach(private=True)


def webhooks(reach: Reach = HERE, resolver: Resolver | None = None, total_s: float = 10.0) -> Webhooks:
    return Webhooks(Posting(), resolver or SystemResolver(), reach, SystemClock(), Patience(1.0, total_s))


def url(text: str) -> Url:
    read = parse(text)
    assert isinstance(read, Url)
    return read


class Names:
    """A resolver by a table: each question has the next answer, and the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = answers
        self.asked = count()

    async def __call__(self, host: str, port: int, /) -> list[str]:
        assert (host, port) != ("", 0)
        return self.answers[min(next(self.asked), len(self.answers) - 1)]


async def test_a_message_arrives_whole() -> None:
    async with endpoint(says(204)) as there:
        verdict = await webhooks()(url(there.url), MESSAGE)
    assert verdict.why == ""
    (asked,) = there.asked
    assert asked.line == "POST /hooks?for=reports HTTP/1.1"
    assert asked.body == MESSAGE.body
    assert asked.headers["host"] == f"127.0.0.1:{there.port}"
    assert (asked.headers["webhook-id"], asked.headers["content-type"]) == ("dlv_1", "application/json")
    assert json.loads(asked.body) == {"type": "task.succeeded"}


async def test_a_name_goes_with_the_connection_to_its_address() -> None:
    async with endpoint(says(200)) as there:
        verdict = await webhooks(resolver=Names(["127.0.0.1"]))(url(f"http://shop.example:{there.port}/"), MESSAGE)
    assert verdict.why == ""
    assert there.asked[0].headers["host"] == f"shop.example:{there.port}"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_success_will_do(status: int) -> None:
    async with endpoint(says(status)) as there:
        assert (await webhooks()(url(there.url), MESSAGE)).why == ""


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
async def test_failures_may_be_tried_again(status: int) -> None:
    async with endpoint(says(status, body=b"secret of the inside")) as there:
        verdict = await webhooks()(url(there.url), MESSAGE)
    assert (verdict.why, verdict.gone) == (f"http://127.0.0.1:{there.port} answered {status}", False)


async def test_one_that_is_gone_wants_no_other_attempt() -> None:
    async with endpoint(says(410)) as there:
        assert (await webhooks()(url(there.url), MESSAGE)).gone


@pytest.mark.parametrize(
    ("text", "expected"),
    [("120", 120), ("0", 0), ("-5", 0), ("soon", 0), ("1e9", 0), ("9" * 50, 999999999), ("Thu, 99 Foo", 0)],
)
async def test_the_other_side_may_ask_for_time(text: str, expected: float) -> None:
    async with endpoint(says(503, f"retry-after: {text}")) as there:
        assert (await webhooks()(url(there.url), MESSAGE)).retry_after_s == expected


async def test_the_other_side_may_ask_for_time_by_a_date() -> None:
    clock = ManualClock()
    posts = Webhooks(Posting(), SystemResolver(), HERE, clock, Patience())
    async with endpoint(says(503, f"retry-after: {formatdate(clock.now() + 90, usegmt=True)}")) as there:
        assert (await posts(url(there.url), MESSAGE)).retry_after_s == 90


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure_and_nobody_goes_there(status: int) -> None:
    async with endpoint(says(200)) as inside, endpoint(says(status, f"location: {inside.url}")) as there:
        verdict = await webhooks()(url(there.url), MESSAGE)
    assert f"answered {status} and points to 'http://127.0.0.1" in verdict.why
    assert (verdict.gone, inside.asked, len(there.asked)) == (False, [], 1)


async def test_what_is_private_is_not_connected_to() -> None:
    async with endpoint(says(200)) as there:
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "0.0.0.0"):
            verdict = await webhooks(Reach())(url(f"http://{host}:{there.port}/"), MESSAGE)
            assert "where no callbacks go" in verdict.why
        for address in ("::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1%lo"):
            verdict = await webhooks(Reach(), Names([address]))(url(f"http://a.example:{there.port}/"), MESSAGE)
            assert "where no callbacks go" in verdict.why
    assert (there.asked, there.most) == ([], 0)


async def test_a_name_that_changes_its_mind_is_looked_at_again_and_connected_to_where_it_was_looked_at() -> None:
    """Rebinding: public when it is asked for, private when it is used. There is no question after the check."""
    async with endpoint(says(200)) as there:
        names = Names(["93.184.216.34"], ["127.0.0.1"])
        posts, target = webhooks(Reach(), names), url(f"http://rebind.example:{there.port}/")
        assert await posts.check(target) == ""
        assert "127.0.0.1, a loopback address" in (await posts(target, MESSAGE)).why
        assert next(names.asked) == 2

        once = Names(["127.0.0.1"], ["10.0.0.1"])
        assert (await webhooks(Reach(allowed=["127.0.0.0/8"]), once)(target, MESSAGE)).why == ""
        assert next(once.asked) == 1
    assert len(there.asked) == 1


async def test_a_submission_is_refused_what_can_be_seen_then() -> None:
    assert "a loopback address" in await webhooks(Reach()).check(url("http://localhost/"))
    assert "a link-local address" in await webhooks(Reach()).check(url("http://169.254.169.254/latest/meta-data/"))
    assert await webhooks(Reach()).check(url("https://nowhere.invalid/")) == ""


async def test_another_address_is_tried_where_one_takes_no_connection() -> None:
    async with endpoint(says(200)) as there:
        verdict = await webhooks(resolver=Names(["127.0.0.2", "127.0.0.1"]))(
            url(f"http://shop.example:{there.port}/"), MESSAGE
        )
    assert (verdict.why, len(there.asked)) == ("", 1)


async def test_nobody_there_is_said_with_the_address() -> None:
    async with endpoint(says(200)) as there:
        port = there.port
    verdict = await webhooks(resolver=Names(["127.0.0.1"]))(url(f"http://shop.example:{port}/"), MESSAGE)
    assert verdict.why.startswith("cannot connect to shop.example (127.0.0.1)")
    assert "has no address" in (await webhooks()(url("http://nowhere.invalid/"), MESSAGE)).why


async def test_one_that_hangs_is_left_after_its_time() -> None:
    async with endpoint(hangs) as there:
        verdict = await webhooks(total_s=0.2)(url(there.url), MESSAGE)
    assert verdict.why == f"http://127.0.0.1:{there.port} had not answered after 0.2s"


async def test_one_that_trickles_its_head_is_left_after_its_time() -> None:
    async def trickles(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(10_000):
            writer.write(b"x-%d: y\r\n" % number)
            await writer.drain()
            await asyncio.sleep(0.01)

    async with endpoint(trickles) as there:
        verdict = await webhooks(total_s=0.3)(url(there.url), MESSAGE)
    assert "had not answered after 0.3s" in verdict.why


@pytest.mark.parametrize("status", [200, 500])
async def test_of_a_gigabyte_little_is_read(status: int) -> None:
    sent = 0

    async def floods(_: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 1073741824\r\n\r\n" % status)
        while True:
            writer.write(b"x" * 65536)
            sent += 65536
            await writer.drain()

    async with endpoint(floods) as there:
        verdict = await webhooks()(url(there.url), MESSAGE)
    assert (verdict.why == "") == (status == 200)
    assert sent < 32 * 1024 * 1024  # what the kernel's own buffers take


async def test_a_head_without_end_is_refused() -> None:
    async def floods(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x-filler: " + b"y" * 8192 + b"\r\n")
            await writer.drain()

    async with endpoint(floods) as there:
        assert "broke" in (await webhooks()(url(there.url), MESSAGE)).why


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\0" * 100, b"HTTP/1.1 200"])
async def test_what_is_no_answer_is_a_failure(answer: bytes) -> None:
    async def answers(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    async with endpoint(answers) as there:
        verdict = await webhooks()(url(there.url), MESSAGE)
    assert verdict.why.startswith("the connection to 127.0.0.1 broke")
