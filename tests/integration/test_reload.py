"""Sources that change while they are served."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import dragoman
from dragoman.client.value import decode_reply, encode_input
from dragoman.core.fault import Draining, Fault, NotFound, StartFailed
from dragoman.host.host import Host
from dragoman.workers.crossing import run_on_loop
from tests.integration.conftest import Reloaded, Write, host_of, hosted, marked, pool_of, soon

ONE = "import time\ndef version() -> int: return 1\ndef nap(s: float) -> int:\n    time.sleep(s)\n    return 1\n"
TWO = "def more() -> int: return 0\n" + ONE.replace("return 1", "return 2")
TOML = '[sources.work]\npath = "work.py"\nworkers = { min = 1, max = 2 }\n[sources.other]\npath = "other.py"\n'
OTHER = "def ok() -> int: return 1\n"


async def call(host: Host, name: str, **arguments: Any) -> Any:
    body, codec = encode_input(arguments)
    entry = host.registry.find(name)
    return decode_reply(await entry.service(host.call(entry.target, body, codec, codec)))


def project(write: Write, work: str = ONE) -> Path:
    return write(dragoman__toml=TOML, work__py=work, other__py=OTHER)


async def save(path: Path, text: str, told: list[Reloaded]) -> Fault | None:
    """Change a watched file, and wait until it was seen; again, where nobody was watching yet."""

    def heard() -> list[Fault | None]:
        return [fault for name, fault in told if name == path.stem]

    told.clear()
    while not heard():
        path.write_text(text)  # noqa: ASYNC240 - a few bytes
        with contextlib.suppress(AssertionError):
            await soon(heard, 1.5)
    return heard()[-1]


async def test_a_changed_source_is_swapped_in_under_load_without_losing_a_call(write: Write) -> None:
    folder, told = project(write), list[Reloaded]()
    answers: Counter[int] = Counter()
    async with hosted(folder, watching=told) as host:
        stop = asyncio.Event()

        async def call_on() -> None:
            while not stop.is_set():
                answers[await call(host, "work.version")] += 1

        callers = [asyncio.ensure_future(call_on()) for _ in range(20)]
        for text in (TWO, ONE, TWO):
            assert await save(folder / "work.py", text, told) is None
        await soon(lambda: answers[2] > 1000)
        stop.set()
        await asyncio.gather(*callers)
        assert await call(host, "work.more") == 0
    assert set(answers) == {1, 2}


async def test_calls_in_flight_finish_in_the_old_version(write: Write) -> None:
    folder = project(write)
    async with hosted(folder) as host:
        running = asyncio.ensure_future(call(host, "work.nap", s=0.5))
        pool = pool_of(host, "work")
        await soon(lambda: pool.in_flight)
        (folder / "work.py").write_text(TWO)
        assert await host.reload("work") is None
        assert await call(host, "work.version") == 2
        assert not running.done()
        assert await running == 1
        await soon(lambda: not pool.workers)


async def test_a_broken_change_keeps_the_old_version_and_says_why(write: Write) -> None:
    folder, told = project(write), list[Reloaded]()
    async with hosted(folder, watching=told) as host:
        for text, why in (("def broken(:\n", "SyntaxError"), ("import no_such_module_here\n", "no_such_module_here")):
            fault = await save(folder / "work.py", text, told)
            assert isinstance(fault, StartFailed)
            assert why in fault.detail
            assert await call(host, "work.version") == 1
        assert await save(folder / "work.py", TWO, told) is None
        assert await call(host, "work.version") == 2
        assert await call(host, "other.ok") == 1


async def test_a_source_that_never_worked_hears_of_its_newest_trouble(write: Write) -> None:
    folder = write(dragoman__toml=TOML, work__py="raise RuntimeError('first')\n", other__py=OTHER)
    async with hosted(folder, start=False) as host:
        await host.start()
        (folder / "work.py").write_text("raise RuntimeError('second')\n")
        fault = await host.reload("work")
        assert fault is not None
        assert "second" in fault.detail
        assert "second" in host.registry.missing("work.version").detail
        (folder / "work.py").write_text(ONE)
        await soon(lambda: "work.version" in host.registry.entries)
        assert await call(host, "work.version") == 1


async def test_a_caller_that_looked_the_function_up_before_is_sent_on(write: Write) -> None:
    folder = project(write)
    async with hosted(folder) as host:
        entry = host.registry.find("work.version")
        old = pool_of(host, "work")
        (folder / "work.py").write_text(TWO)
        assert await host.reload("work") is None
        await soon(lambda: old.closed)
        body, codec = encode_input({})
        assert decode_reply(await entry.service(host.call(entry.target, body, codec, codec))) == 2


async def test_a_function_that_is_gone_is_not_found_any_more(write: Write) -> None:
    folder = project(write, TWO)
    async with hosted(folder) as host:
        entry = host.registry.find("work.more")
        old = pool_of(host, "work")
        (folder / "work.py").write_text(ONE)
        assert await host.reload("work") is None
        await soon(lambda: old.closed)
        body, codec = encode_input({})
        with pytest.raises(NotFound):
            await entry.service(host.call(entry.target, body, codec, codec))
        with pytest.raises(NotFound):
            host.registry.find("work.more")


async def test_reloads_of_one_source_take_turns_and_of_two_do_not(write: Write) -> None:
    folder = project(write)
    async with hosted(folder) as host:
        (folder / "work.py").write_text(TWO)
        assert await asyncio.gather(*(host.reload(name) for name in ("work", "work", "other"))) == [None] * 3
        assert await call(host, "work.version") == 2
        assert (await call(host, "other.ok"), len(host.pools())) == (1, 2)


async def test_a_source_that_is_not_there_is_not_reloaded(write: Write) -> None:
    async with hosted(project(write)) as host:
        assert isinstance(await host.reload("nothing"), NotFound)
        host.draining = True
        assert isinstance(await host.reload("work"), Draining)


async def test_stopping_in_the_middle_of_a_reload_ends_everything(write: Write, mark: str) -> None:
    folder = project(write)
    async with hosted(folder) as host:
        (folder / "work.py").write_text(f"import subprocess\nsubprocess.run(['sleep', '{mark}'])\n")
        reloading = asyncio.ensure_future(host.reload("work"))
        await soon(lambda: marked(mark))
        await host.stop(0)
        assert isinstance(await reloading, Fault)
    assert not marked(mark)


def test_blocking_callers_lose_no_call_in_a_reload(write: Write) -> None:
    folder = project(write)
    with dragoman.open(folder) as opened:
        assert opened.work.version() == 1
        (folder / "work.py").write_text(TWO)
        host = host_of(opened)
        assert run_on_loop(pool_of(host, "work").loop, host.reload("work")) is None
        assert [opened.work.version() for _ in range(100)] == [2] * 100
