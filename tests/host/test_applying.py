"""A project file, put in force on a running host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dragoman.config.problem import ConfigError
from dragoman.core.clock import SystemClock
from dragoman.core.fault import FailedPrecondition, NotFound, StartFailed
from dragoman.host.applying import Applying
from dragoman.host.host import Host
from dragoman.testing import RecordingJournal
from tests.host.projects import ask, hosting

if TYPE_CHECKING:
    from tests.host.conftest import Write

ONE = "from dragoman import function\n@function(idempotent=True)\ndef f() -> int: return 1\ndef g() -> int: return 3\n"
ENV = "import os\ndef f() -> str: return os.environ.get('NAME', 'none')\n"
FIRST = '[sources.one]\npath = "one.py"\nretry = 3\nbreaker = true\n'
TWO = '[sources.two]\npath = "two.py"\nenv = { NAME = "a" }\n'


class Shop:
    def __init__(self, host: Host, file: Path) -> None:
        self.host = host
        self.applying = Applying(host, SystemClock())
        self._file = file

    async def apply(self, text: str) -> list[str]:
        self._file.write_text(text)
        return (await self.applying()).lines


@asynccontextmanager
async def shop(write: Write, text: str = FIRST + TWO, journal: RecordingJournal | None = None) -> AsyncGenerator[Shop]:
    folder = write(one__py=ONE, two__py=ENV, dragoman__toml=text)
    async with hosting(folder, journal=journal) as host:
        assert await host.start() == {}
        yield Shop(host, folder / "dragoman.toml")


async def test_options_change_in_one_step_and_what_is_the_same_goes_on(write: Write) -> None:
    async with shop(write) as each:
        before = each.host.registry.find("one.f")
        seen: list[int] = []
        each.host.registry.on_change.append(lambda _: seen.append(1))
        lines = await each.apply(FIRST.replace("retry = 3", "retry = 5") + 'timeout = "2s"\n' + TWO)
        after = each.host.registry.find("one.f")
        assert seen == [1]
        assert "one.f: retry.attempts: 3 -> 5" in lines
        assert after.target.timeout_s == 2.0
        assert after.hosted is before.hosted
        assert after.layers["breaker"] is before.layers["breaker"]
        assert after.layers["retry"] is not before.layers["retry"]
        assert await ask(each.host, "one.f") == 1
        assert each.applying.applied_at is not None


async def test_sources_start_stop_and_get_their_new_settings(write: Write) -> None:
    async with shop(write) as each:
        three = '[sources.three]\npath = "two.py"\nenv = { NAME = "c" }\n'
        lines = await each.apply(TWO.replace('"a"', '"b"') + three)
        assert lines[:3] == [
            "three: started",
            "one: retired; its calls in flight finish",
            "two: reloaded with its new settings",
        ]
        assert (await ask(each.host, "two.f"), await ask(each.host, "three.f")) == ("b", "c")
        with pytest.raises(NotFound):
            await ask(each.host, "one.f")
        assert set(each.host.registry.sources) == {"two", "three"}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[sources.one\n", "dragoman.toml:1"),
        (FIRST + "retri = 3\n" + TWO, "did you mean 'retry'"),
        (FIRST + 'retry.base = "1m"\n' + TWO, "is not TOML"),
        (FIRST + "breaker.slow_rate = 0.5\n" + TWO, "is not TOML"),
        (FIRST.replace("retry = 3", 'retry = { base = "3s", max = "1s" }') + TWO, "is less than"),
    ],
)
async def test_a_wrong_file_changes_nothing(write: Write, text: str, wrong: str) -> None:
    async with shop(write) as each:
        before = each.host.registry.entries
        with pytest.raises(ConfigError, match=wrong):
            await each.apply(text)
        assert each.host.registry.entries is before
        assert await ask(each.host, "one.f") == 1


async def test_a_source_that_cannot_start_changes_nothing(write: Write) -> None:
    async with shop(write) as each:
        folder = each.host.project.folder
        (folder / "broken.py").write_text("import no_such_module_here\n")
        before, sources = each.host.registry.entries, dict(each.host.registry.sources)
        broken = '[sources.broken]\npath = "broken.py"\n'
        with pytest.raises(StartFailed, match=r"nothing was changed: .*no_such_module_here"):
            await each.apply(FIRST.replace("3", "9") + TWO.replace('"a"', '"b"') + broken)
        assert each.host.registry.entries is before
        assert dict(each.host.registry.sources) == sources
        assert await ask(each.host, "two.f") == "a"
        assert await each.apply(FIRST.replace("3", "9") + TWO), "the next one is taken"


async def test_calls_of_a_retired_source_finish(write: Write) -> None:
    async with shop(write) as each:
        (each.host.project.folder / "slow.py").write_text(
            "import time\ndef f() -> int:\n    time.sleep(0.5)\n    return 7\n"
        )
        await each.apply(FIRST + '[sources.slow]\npath = "slow.py"\n')
        running = [asyncio.ensure_future(ask(each.host, "slow.f")) for _ in range(3)]
        await asyncio.sleep(0)
        await each.apply(FIRST)
        assert await asyncio.gather(*running) == [7, 7, 7]


async def test_a_file_that_says_the_same_is_no_change(write: Write) -> None:
    async with shop(write) as each:
        before = each.host.registry.sources["one"]
        assert await each.apply("# another line\n" + FIRST + TWO) == []
        assert each.host.registry.sources["one"] is before
        place = each.host.registry.find("one.f").settings.writings["retry.attempts"].place
        assert (place.line, each.applying.applied_at) == (4, None)


async def test_layers_that_do_not_fit_are_told_again(write: Write) -> None:
    journal = RecordingJournal()
    async with shop(write, journal=journal) as each:
        await each.apply(FIRST + TWO + '[functions."one.g"]\ncache = "1s"\n')
        assert "one.g cannot have cache" in journal.messages("warning")[-1]


async def test_sources_without_a_file_cannot_be_applied(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(ONE)
    async with hosting(tmp_path / "one.py") as host:
        with pytest.raises(FailedPrecondition, match="without a project file"):
            await Applying(host, SystemClock())()


async def test_a_host_that_stops_applies_nothing(write: Write) -> None:
    async with shop(write) as each:
        await each.host.stop(0)
        with pytest.raises(Exception, match="the host is stopping"):
            await each.apply(FIRST)
