from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from dragoman.core.call import Codec
from dragoman.core.fault import (
    DeadlineExceeded,
    Draining,
    FailedPrecondition,
    NotFound,
    Overloaded,
    Started,
    StartFailed,
    Unavailable,
)
from dragoman.core.service import Pending, settle
from dragoman.host.host import check_started
from dragoman.testing import RecordingJournal
from dragoman.wire.meta import DEPTH_MAX
from dragoman.workers.outbound import GuestCall
from tests.host.projects import ask, hosting

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from dragoman.host.host import Host
    from tests.host.conftest import Write

SHOP = """
    import os
    import threading

    def pid() -> int:
        return os.getpid()

    def never() -> None:
        threading.Event().wait()

    def version() -> int:
        return 1
"""


async def test_sources_start_side_by_side_and_tell_why_not(write: Write) -> None:
    folder = write(shop__py=SHOP, broken__py="1 / 0")
    async with hosting(folder / "shop.py", folder / "broken.py") as host:
        faults = await host.start()
        assert set(faults) == {"broken"}
        assert host.ready() == (False, {"broken": faults["broken"].detail})
        assert await ask(host, "shop.version") == 1
        check_started(host, faults)
        with pytest.raises(StartFailed, match="ZeroDivisionError"):
            check_started(host, {**faults, "shop": faults["broken"]})


async def test_a_slow_source_is_not_waited_for_and_is_served_when_it_is_ready(write: Write) -> None:
    folder = write(
        shop__py=SHOP,
        slow__py="from pathlib import Path\nPath(__file__ + '.gate').read_text()\ndef f() -> int: return 1",
    )
    os.mkfifo(folder / "slow.py.gate")
    async with hosting(folder / "shop.py", folder / "slow.py") as host:
        assert await host.start(patience_s=0.01) == {}
        assert host.ready() == (False, {"slow": "it is still starting"})
        with pytest.raises(StartFailed, match="still starting"):
            await ask(host, "slow.f")
        in_service = asyncio.Event()
        host.registry.on_change.append(lambda _: in_service.set())
        await asyncio.to_thread((folder / "slow.py.gate").write_text, "go on")
        await asyncio.wait_for(in_service.wait(), 10)
        assert await ask(host, "slow.f") == 1
        assert host.ready() == (True, {})


async def test_a_broken_change_keeps_the_old_one_and_says_why(write: Write) -> None:
    path = write(shop__py=SHOP) / "shop.py"
    async with hosting(path) as host:
        assert await host.start() == {}
        pid = await ask(host, "shop.pid")
        path.write_text("import nothing_like_this")
        fault = await host.reload("shop")
        assert isinstance(fault, StartFailed)
        assert "nothing_like_this" in fault.detail
        assert await ask(host, "shop.pid") == pid
        path.write_text("def version() -> int: return 2")
        assert await host.reload("shop") is None
        assert await ask(host, "shop.version") == 2
        with pytest.raises(NotFound):
            await ask(host, "shop.pid")


async def test_what_is_not_there_or_is_leaving_is_not_reloaded(write: Write) -> None:
    async with hosting(write(shop__py=SHOP) / "shop.py") as host:
        assert await host.start() == {}
        assert isinstance(await host.reload("nothing"), NotFound)
        host.draining = True
        assert isinstance(await host.reload("shop"), Draining)
        assert host.ready() == (False, {"host": "it is stopping"})


async def test_a_call_may_shorten_its_functions_time_and_not_lengthen_it(write: Write) -> None:
    folder = write(
        shop__py=SHOP, dragoman__toml='[sources.shop]\npath = "shop.py"\n[functions."shop.never"]\ntimeout = "0.1s"'
    )
    async with hosting(folder) as host:
        assert await host.start() == {}
        target = host.registry.find("shop.never").target
        shorter, longer = (host.call(target, b"", Codec.JSON, Codec.JSON, timeout_s) for timeout_s in (0.05, 60.0))
        assert shorter.deadline - shorter.arrived_at == pytest.approx(0.05)
        assert longer.deadline - longer.arrived_at == pytest.approx(0.1)
        assert longer.id == shorter.id + 1
        assert longer.caller == "local"
        with pytest.raises(DeadlineExceeded):
            await ask(host, "shop.never", timeout_s=60.0)


async def test_a_prepared_call_runs_on_what_its_name_stands_for_now(write: Write) -> None:
    path = write(shop__py=SHOP) / "shop.py"
    async with hosting(path) as host:
        assert await host.start() == {}
        target = host.registry.find("shop.version").target
        path.write_text("def version() -> int: return 2")
        assert await host.reload("shop") is None
        assert (await host.serve(host.call(target, b"{}", Codec.JSON, Codec.JSON))).body == b"2"


async def test_refusing_calls_in_one_turn_of_the_loop_lets_no_worker_stand_idle(write: Write) -> None:
    shed = "[defaults]\nshed = { least = 1, most = 1, first = 1 }\n"
    folder = write(shop__py=SHOP, dragoman__toml=shed + '[sources.shop]\npath = "shop.py"')
    async with hosting(folder) as host:
        assert await host.start() == {}
        entry = host.registry.find("shop.version")

        def call() -> Pending:
            return settle(entry.service(host.call(entry.target, b"{}", Codec.JSON, Codec.JSON)))

        first, give_up_at = call(), time.monotonic() + 10
        while not first.done:
            assert isinstance(call().fault, Overloaded)
            assert time.monotonic() < give_up_at
        assert first.result().body == b"1"


def nested(function: str, depth: int = 1, remaining_s: float = 0.0) -> GuestCall:
    return GuestCall(function, b"{}", Codec.JSON, Codec.JSON, remaining_s, None, depth)


@asynccontextmanager
async def half_started(write: Write, toml: str = "") -> AsyncGenerator[tuple[Host, Callable[[str], int]]]:
    """A host whose source `slow` waits in its import for what the returned function writes."""
    gate = "from pathlib import Path\nPath(__file__ + '.gate').read_text()\ndef f() -> int: return 1"
    sources = '[sources.shop]\npath = "shop.py"\n[sources.slow]\npath = "slow.py"\n'
    folder = write(shop__py=SHOP, slow__py=gate, dragoman__toml=sources + toml)
    os.mkfifo(folder / "slow.py.gate")
    async with hosting(folder) as host:
        assert await host.start(patience_s=0.01) == {}
        yield host, (folder / "slow.py.gate").write_text


async def test_a_call_of_a_function_waits_for_a_source_that_starts(write: Write) -> None:
    async with half_started(write) as (host, let_start):
        calls = [asyncio.ensure_future(host.route(nested("slow.f", remaining_s=limit_s))) for limit_s in (0.0, 30.0)]
        unknown = asyncio.ensure_future(host.route(nested("slow.nothing")))
        await asyncio.wait(calls, timeout=0)
        assert not any(call.done() for call in calls)
        await asyncio.to_thread(let_start, "go on")
        assert [(await call).body for call in calls] == [b"1", b"1"]
        with pytest.raises(NotFound):
            await unknown


async def test_waiting_for_a_start_ends_with_the_callers_time(write: Write) -> None:
    async with half_started(write) as (host, _):
        with pytest.raises(DeadlineExceeded, match=r"0\.05s.*slow to start") as fault:
            await host.route(nested("slow.f", remaining_s=0.05))
        assert fault.value.started is Started.NO


async def test_only_so_many_calls_wait_for_a_start(write: Write) -> None:
    async with half_started(write, "queue = 1") as (host, let_start):
        first = asyncio.ensure_future(host.route(nested("slow.f")))
        await asyncio.wait((first,), timeout=0)
        with pytest.raises(Overloaded, match="still starting") as fault:
            await host.route(nested("slow.f"))
        assert fault.value.retryable
        await asyncio.to_thread(let_start, "go on")
        assert (await first).body == b"1"


async def test_who_waits_for_a_start_that_fails_hears_why(write: Write) -> None:
    async with half_started(write, 'start_timeout = "500ms"') as (host, _):
        with pytest.raises(StartFailed, match=r"0\.5s"):
            await host.route(nested("slow.f"))


async def test_a_host_that_stops_while_a_source_starts_answers_who_waits_for_it(write: Write) -> None:
    async with half_started(write) as (host, _):
        waiting = asyncio.ensure_future(host.route(nested("slow.f")))
        await asyncio.wait((waiting,), timeout=0)
        await host.stop(0)
        with pytest.raises(Unavailable):
            await asyncio.wait_for(waiting, 10)


async def test_a_chain_of_calls_is_bounded(write: Write) -> None:
    async with hosting(write(shop__py=SHOP) / "shop.py") as host:
        assert await host.start() == {}
        assert (await host.route(nested("shop.version", DEPTH_MAX))).body == b"1"
        with pytest.raises(FailedPrecondition, match=f"chains end at {DEPTH_MAX}"):
            await host.route(nested("shop.version", DEPTH_MAX + 1))
        with pytest.raises(NotFound):
            await host.route(nested("shop.nothing", 1))


async def test_settings_of_functions_that_are_not_there_are_told(write: Write) -> None:
    toml = '[sources.shop]\npath = "shop.py"\n[functions."shop.version"]\ntimeout = "1s"\n'
    folder = write(shop__py=SHOP, dragoman__toml=toml + '[functions."shop.verson"]\ntimeout = "1s"\n')
    journal = RecordingJournal()
    async with hosting(folder, journal=journal) as host:
        assert await host.start() == {}
        assert journal.messages("warning") == [
            "[functions.\"shop.verson\"] is for no function: shop has none of that name; did you mean 'shop.version'?"
        ]
        assert host.registry.strangers("shop") == journal.messages("warning")
        assert host.registry.strangers("elsewhere") == []


async def test_a_host_that_stops_answers_whoever_waits(write: Write) -> None:
    async with hosting(write(shop__py=SHOP) / "shop.py") as host:
        assert await host.start() == {}
        waiting = asyncio.ensure_future(ask(host, "shop.never"))
        await asyncio.wait((waiting,), timeout=0)
        await host.stop(0)
        with pytest.raises(Unavailable):
            await asyncio.wait_for(waiting, 10)
