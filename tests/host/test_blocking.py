from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import dragoman
from dragoman.core.fault import Draining, NotFound, Unimplemented

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dragoman.host.blocking import BlockingProject
    from tests.host.conftest import Write

SHOP = """
    from collections.abc import Iterator

    def double(n: int) -> int:
        return 2 * n

    def size(data: bytes) -> int:
        return len(data)

    def blank(size: int) -> bytes:
        return bytes(size)

    def count(n: int) -> Iterator[int]:
        yield from range(n)

    def forever() -> Iterator[int]:
        n = 0
        while True:
            yield n
            n += 1

    def breaks() -> Iterator[int]:
        yield 1
        raise ValueError("no more")
"""


@pytest.fixture
def path(write: Write) -> Path:
    return write(shop__py=SHOP) / "shop.py"


@pytest.fixture
def project(path: Path) -> Iterator[BlockingProject]:
    with dragoman.open(path) as project:
        yield project


def test_functions_are_called_as_attributes_and_by_name(project: BlockingProject) -> None:
    assert project.shop.double(n=2) == 4
    assert project.shop.double({"n": 3}) == 6
    assert project.call("shop.double", {"n": 4}) == 8
    assert set(project.functions) == {
        f"shop.{name}" for name in ("double", "size", "blank", "count", "forever", "breaks")
    }


def test_bytes_travel_as_they_are(project: BlockingProject) -> None:
    assert project.shop.size(data=bytes(300_000)) == 300_000
    assert project.shop.blank(size=300_000) == bytes(300_000)


def test_a_streams_items_come_one_by_one_or_as_a_list(project: BlockingProject) -> None:
    assert list(project.stream("shop.count", {"n": 1000})) == list(range(1000))
    assert project.shop.count(n=3) == [0, 1, 2]
    with pytest.raises(Unimplemented, match=r"shop\.double does not stream"):
        next(project.stream("shop.double", {"n": 1}))


def test_a_stream_that_is_left_early_gives_its_worker_back(project: BlockingProject) -> None:
    for _ in range(5):
        items = project.stream("shop.forever")
        assert [next(items) for _ in range(3)] == [0, 1, 2]
        items.close()
    assert project.shop.double(n=1) == 2


def test_a_stream_that_fails_raises_after_its_items(project: BlockingProject) -> None:
    items = project.stream("shop.breaks")
    assert next(items) == 1
    with pytest.raises(dragoman.Fault, match="no more"):
        next(items)


def test_what_is_not_there_says_so(project: BlockingProject) -> None:
    with pytest.raises(NotFound, match=r"shop\.nothing"):
        project.shop.nothing()
    with pytest.raises(AttributeError):
        _ = project.__wrapped__
    with pytest.raises(TypeError, match="by name"):
        project.shop.double(1, n=2)


def test_calls_come_from_many_threads(project: BlockingProject) -> None:
    def double(n: int) -> int:
        return project.shop.double(n=n)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(double, range(200))) == [2 * n for n in range(200)]


def test_a_closed_project_says_so_and_is_closed_twice_without_harm(path: Path) -> None:
    with dragoman.open(path) as project:
        assert project.shop.double(n=1) == 2
    project.close()
    with pytest.raises(Draining, match="closed"):
        project.shop.double(n=1)
    with pytest.raises(Draining):
        next(project.stream("shop.count", {"n": 1}))


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_copy_leaves_the_workers_to_its_parent(project: BlockingProject) -> None:
    assert project.shop.double(n=1) == 2
    child = os.fork()
    if not child:
        status = 1
        try:
            project.shop.double(n=1)
        except Draining:
            project.close()
            status = 7
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert project.shop.double(n=2) == 4


WITHOUT = """
import sys
sys.modules["uvloop"] = None
import dragoman
if __name__ == "__main__":
    with dragoman.open(sys.argv[1]) as project:
        print(project.shop.double(n=2), type(project._loop).__module__)
"""


def test_a_system_without_uvloop_has_the_loop_of_the_standard_library(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT, path], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.split() == ["4", "asyncio.unix_events"]


def test_a_caller_may_say_how_much_a_call_matters_and_which_are_the_same(project: BlockingProject) -> None:
    assert project.call("shop.double", {"n": 3}, priority="critical", idempotency_key="k") == 6
    assert list(project.stream("shop.count", {"n": 2}, priority="batch")) == [0, 1]
    with pytest.raises(ValueError, match="expected critical, normal or batch"):
        project.call("shop.double", {"n": 3}, priority="high")
