from __future__ import annotations

import asyncio
from contextlib import suppress
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from dragoman.core.clock import SystemClock
from dragoman.core.fault import Fault, StartFailed
from dragoman.host.applying import Applying
from dragoman.host.watch import interesting, touched, watch, watched
from tests.host.projects import ask, hosting

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from dragoman.host.host import Host
    from tests.host.conftest import Write

PROJECT = """
    [sources.shop]
    path = "shop.py"
    [sources.stock]
    path = "stock.py"
    [sources.count]
    command = ["sh", "count.sh", "{file}"]
"""


@pytest.fixture
async def host(write: Write) -> AsyncGenerator[Host]:
    """Two Python sources in one folder, and a command that names a file of it; not started."""
    folder = write(
        shop__py="def f() -> int: return 1",
        stock__py="def f() -> int: return 1",
        count__sh="wc $1",
        dragoman__toml=PROJECT,
    )
    async with hosting(folder) as host:
        yield host


async def test_the_folders_of_all_sources_are_watched(host: Host, tmp_path: Path) -> None:
    assert set(watched(host)) == {tmp_path}


async def test_a_python_file_belongs_to_every_source_that_may_import_it(host: Host, tmp_path: Path) -> None:
    assert touched(host, {str(tmp_path / "shop.py")}) == ["shop", "stock"]
    assert touched(host, {str(tmp_path / "lib" / "prices.py")}) == ["shop", "stock"]
    assert touched(host, {str(tmp_path.parent / "elsewhere.py")}) == []
    assert touched(host, {str(tmp_path / "notes.txt")}) == []


async def test_a_file_of_a_module_belongs_to_the_packages_in_it(write: Write, tmp_path: Path) -> None:
    for name in ("digest", "lib"):
        (tmp_path / "go" / name).mkdir(parents=True)
    (tmp_path / "go/go.mod").write_text("module m\n")
    (tmp_path / "go/digest/main.go").write_text("package main\n")
    folder = write(dragoman__toml='[sources.digest]\npath = "go/digest"\n')
    async with hosting(folder) as host:
        assert tmp_path / "go" in set(watched(host))
        assert touched(host, {str(tmp_path / "go/lib/new.go")}) == ["digest"]
        assert touched(host, {str(tmp_path / "go/go.mod")}) == ["digest"]
        assert touched(host, {str(tmp_path / "other.go")}) == []
        assert touched(host, {str(tmp_path / "go/digest/.main.go.swp")}) == []


async def test_a_file_belongs_to_the_command_that_names_it(host: Host, tmp_path: Path) -> None:
    assert touched(host, {str(tmp_path / "count.sh")}) == ["count"]
    assert touched(host, {str(tmp_path / "{file}")}) == []


@pytest.mark.parametrize(
    "path", ["/p/__pycache__/a.py", "/p/.git/index", "/p/.venv/lib/a.py", "/p/a.pyc", "/p/a.py~", "/p/.a.py.swp"]
)
def test_what_tools_write_beside_sources_is_no_change(path: str) -> None:
    assert not interesting(None, path)
    assert interesting(None, "/p/a.py")


async def test_a_change_on_disk_is_put_in_service_and_a_broken_one_is_not(write: Write) -> None:
    path = write(shop__py="def version() -> int: return 0") / "shop.py"
    told: asyncio.Queue[tuple[str, Fault | None]] = asyncio.Queue()
    async with hosting(path) as host:
        assert await host.start() == {}
        watching = asyncio.ensure_future(watch(host, lambda name, fault: told.put_nowait((name, fault))))
        try:
            await change(path, "def version() -> int: return 10", told, broken=False)
            assert await ask(host, "shop.version") == 10
            fault = await change(path, "def version() -> int: return 10 +", told, broken=True)
            assert isinstance(fault, StartFailed)
            assert "SyntaxError" in fault.detail
            assert await ask(host, "shop.version") == 10
        finally:
            watching.cancel()
            await asyncio.wait((watching,))


async def test_a_changed_project_file_is_applied_and_what_it_names_then_is_watched(write: Write) -> None:
    first = PROJECT.replace('    [sources.count]\n    command = ["sh", "count.sh", "{file}"]\n', "")
    folder = write(shop__py="def f() -> int: return 1", stock__py="def f() -> int: return 1", dragoman__toml=first)
    (folder / "late").mkdir()
    (folder / "late" / "late.py").write_text("def f() -> int: return 1")
    renewed, applied = asyncio.Event(), asyncio.Event()
    told: asyncio.Queue[tuple[str, Fault | None]] = asyncio.Queue()

    async with hosting(folder) as host:
        await host.start()
        applying = Applying(host, SystemClock())

        async def apply() -> None:
            if (await applying()).started:
                renewed.set()
                applied.set()

        watching = asyncio.ensure_future(
            watch(host, lambda name, fault: told.put_nowait((name, fault)), apply, renewed)
        )
        try:
            async with asyncio.timeout(20):
                while not applied.is_set():
                    (folder / "dragoman.toml").write_text(dedent(first) + '[sources.late]\npath = "late/late.py"\n')
                    with suppress(TimeoutError):
                        await asyncio.wait_for(applied.wait(), 1)
                fault = await change(folder / "late" / "late.py", "def f( -> int", told, broken=True)
                assert "late" in (fault.detail if fault else "")
        finally:
            watching.cancel()
            await asyncio.wait((watching,))


async def change(path: Path, text: str, told: asyncio.Queue[tuple[str, Fault | None]], *, broken: bool) -> Fault | None:
    """Write a source, again until the watch tells of it: it may not have been looking yet. Why it is broken, if so."""
    async with asyncio.timeout(20):
        while True:
            await asyncio.to_thread(path.write_text, text)
            try:
                _, fault = await asyncio.wait_for(told.get(), 1)
            except TimeoutError:
                continue
            if broken is (fault is not None):
                return fault


async def test_a_project_without_sources_is_not_watched(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("def f() -> int: return 1")
    async with hosting(tmp_path / "shop.py") as host:
        host.registry.project = type(host.project)("empty", tmp_path, {})
        async with asyncio.timeout(5):
            await watch(host, lambda _name, _fault: None)
