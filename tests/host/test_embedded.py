from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

import dragoman
from dragoman.config.problem import ConfigError
from dragoman.core.fault import DeadlineExceeded, NotFound, StartFailed, Unimplemented

if TYPE_CHECKING:
    from pathlib import Path

    from tests.host.conftest import Write

SHOP = """
    import asyncio
    from collections.abc import AsyncIterator

    async def double(n: int) -> int:
        return 2 * n

    async def count(n: int) -> AsyncIterator[int]:
        for number in range(n):
            yield number

    async def never() -> None:
        await asyncio.Event().wait()
"""


@pytest.fixture
def path(write: Write) -> Path:
    return write(shop__py=SHOP) / "shop.py"


async def test_a_project_is_hosted_on_the_loop_of_an_async_caller(path: Path) -> None:
    async with dragoman.open(path) as project:
        assert list(project.functions) == ["shop.double", "shop.count", "shop.never"]
        assert await project.shop.double(n=2) == 4
        assert await project.call("shop.double", {"n": 3}) == 6
        doubled = await asyncio.gather(*(project.shop.double(n=n) for n in range(50)))
        assert doubled == [2 * n for n in range(50)]


async def test_an_async_caller_has_streams_item_by_item_or_as_a_list(path: Path) -> None:
    async with dragoman.open(path) as project:
        assert [item async for item in project.stream("shop.count", {"n": 4})] == [0, 1, 2, 3]
        assert await project.shop.count(n=3) == [0, 1, 2]
        with pytest.raises(Unimplemented, match=r"shop\.double does not stream"):
            await anext(project.stream("shop.double", {"n": 1}))


async def test_an_async_caller_may_shorten_the_time_of_a_call(path: Path) -> None:
    async with dragoman.open(path) as project:
        with pytest.raises(DeadlineExceeded):
            await project.call("shop.never", timeout=0.05)
        with pytest.raises(NotFound):
            await project.shop.nothing()
        with pytest.raises(AttributeError):
            _ = project.__wrapped__
        assert await project.shop.double(n=1) == 2


def test_a_project_is_hosted_beside_a_blocking_caller(path: Path) -> None:
    with dragoman.open(path) as project:
        assert project.shop.double(n=2) == 4


def test_a_project_where_nothing_starts_is_not_opened(write: Write) -> None:
    folder = write(broken__py="1 / 0", other__py="import nothing_like_this")
    with (
        pytest.raises(StartFailed, match=r"ZeroDivisionError(.|\n)*nothing_like_this"),
        dragoman.open(folder / "broken.py", folder / "other.py"),
    ):
        raise AssertionError


async def test_neither_is_it_for_an_async_caller(write: Write) -> None:
    folder = write(broken__py="1 / 0")
    with pytest.raises(StartFailed, match="ZeroDivisionError"):
        async with dragoman.open(folder / "broken.py"):
            raise AssertionError


def test_one_broken_source_leaves_the_others(write: Write) -> None:
    folder = write(broken__py="1 / 0", shop__py=SHOP)
    with dragoman.open(folder / "broken.py", folder / "shop.py") as project:
        assert project.shop.double(n=2) == 4
        with pytest.raises(StartFailed, match="ZeroDivisionError"):
            project.broken.f()


def test_what_is_no_project_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.py"):
        dragoman.open(tmp_path / "nothing.py")


async def test_an_async_caller_may_say_how_much_a_call_matters_and_which_are_the_same(path: Path) -> None:
    async with dragoman.open(path) as project:
        assert await project.call("shop.double", {"n": 3}, priority="batch", idempotency_key="k") == 6
        with pytest.raises(ValueError, match="expected critical, normal or batch"):
            await project.call("shop.double", {"n": 3}, priority="high")
        with pytest.raises(ValueError, match="printable ASCII"):
            await anext(project.stream("shop.count", {"n": 3}, idempotency_key="\n"))
