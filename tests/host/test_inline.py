from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

import pytest

from dragoman.config.project import Source
from dragoman.core.fault import DeadlineExceeded, FailedPrecondition, NotFound, Overloaded, StartFailed
from dragoman.core.service import Pending
from dragoman.host.inline import InlineSource
from dragoman.workers.options import PoolOptions
from tests.host.projects import ask, hosting

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from dragoman.host.host import Host
    from tests.host.conftest import Write

pytestmark = pytest.mark.usefixtures("own_modules")

PAGES = """
    import asyncio
    from collections.abc import AsyncIterator
    from dragoman import Context

    open_ = asyncio.Event()

    async def forty(ctx: Context, n: int) -> int:
        return await ctx.call("sums.double", n=n) + 20

    async def all_of(ctx: Context, n: int) -> list[int]:
        return await ctx.call("sums.count", n=n)

    async def itself(ctx: Context) -> int:
        return await ctx.call("pages.itself")

    async def nobody(ctx: Context) -> int:
        return await ctx.call("sums.nothing")

    async def time_left(ctx: Context) -> float:
        return await ctx.call("pages.remaining")

    async def remaining(ctx: Context) -> float:
        return ctx.remaining

    async def waits() -> bool:
        return await open_.wait()

    async def opens() -> None:
        open_.set()
"""
SUMS = """
    from collections.abc import Iterator

    def double(n: int) -> int:
        return 2 * n

    def count(n: int) -> Iterator[int]:
        yield from range(n)
"""


@pytest.fixture
async def host(write: Write) -> AsyncGenerator[Host]:
    folder = write(
        pages__py=PAGES,
        sums__py=SUMS,
        dragoman__toml="""
            [sources.pages]
            path = "pages.py"
            mode = "inline"
            concurrency = 20
            queue = 0
            [sources.sums]
            path = "sums.py"
        """,
    )
    async with hosting(folder) as host:
        assert await host.start() == {}
        yield host


async def test_an_inline_function_calls_a_function_of_a_worker(host: Host) -> None:
    assert await ask(host, "pages.forty", n=10) == 40
    assert await ask(host, "pages.all_of", n=3) == [0, 1, 2]


async def test_a_call_of_nothing_is_the_callers_to_hear(host: Host) -> None:
    with pytest.raises(NotFound, match=r"sums\.nothing"):
        await ask(host, "pages.nobody")


async def test_a_chain_of_calls_ends(host: Host) -> None:
    with pytest.raises((FailedPrecondition, Overloaded)):
        await ask(host, "pages.itself")
    assert await ask(host, "pages.forty", n=10) == 40, "and gives its places back"


async def test_what_is_called_has_no_more_time_than_the_caller(host: Host) -> None:
    assert 0 < await ask(host, "pages.time_left", timeout_s=3.0) < 3.0


async def test_a_deadline_ends_an_inline_call(host: Host) -> None:
    with pytest.raises(DeadlineExceeded):
        await ask(host, "pages.waits", timeout_s=0.05)


async def test_calls_past_the_concurrency_and_the_queue_are_refused(host: Host) -> None:
    waiting = [asyncio.ensure_future(ask(host, "pages.waits")) for _ in range(21)]
    done, _ = await asyncio.wait(waiting, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert [type(call.exception()) for call in done] == [Overloaded]
    waiting.remove(*done)
    for call in waiting[1:]:
        call.cancel()
    await asyncio.wait(waiting[1:], timeout=5)
    await ask(host, "pages.opens")
    assert await waiting[0] is True


async def test_a_source_that_blocks_the_host_is_not_taken(write: Write) -> None:
    folder = write(
        pages__py="def f() -> int: return 1",
        dragoman__toml='[sources.pages]\npath = "pages.py"\nmode = "inline"',
    )
    async with hosting(folder) as host:
        faults = await host.start()
        assert isinstance(faults["pages"], StartFailed)
        assert "would block the host" in faults["pages"].detail
        assert not host.ready()[0]


async def test_an_import_that_takes_too_long_is_given_up(write: Write) -> None:
    folder = write(
        slow__py="from pathlib import Path\nPath(__file__ + '.gate').read_text()\nasync def f() -> int: return 1"
    )
    gate = folder / "slow.py.gate"
    os.mkfifo(gate)
    pool = PoolOptions(start_timeout_s=0.05)
    source = InlineSource(
        Source("slow", "guest", folder, folder / "slow.py", mode="inline", pool=pool),
        lambda call: Pending.failed(NotFound(call.function)),
    )
    with pytest.raises(StartFailed, match=r"start_timeout of 0\.05s"):
        await source.start()
    assert source.fault is not None
    gate.write_text("go on")
    for thread in threading.enumerate():
        if thread.name.startswith("import "):
            await asyncio.to_thread(thread.join, 10)
    assert source.contracts == (), "what comes later is not taken"
