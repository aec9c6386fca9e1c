"""What a host's functions are to tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dragoman.core.call import Codec
from dragoman.core.fault import Code, Fault, InvalidArgument, NotFound, Unimplemented
from dragoman.core.inflow import InputStream
from dragoman.core.terms import Terms
from dragoman.host.works import HostFunctions
from dragoman.testing import RecordingJournal
from tests.host.projects import hosting
from tests.host.submitting import over, prepared, submit

if TYPE_CHECKING:
    from tests.host.conftest import Write

CODE = """
from collections.abc import Iterator
def double(x: int, by: int = 2) -> int: return by * x
def total(xs: Iterator[int]) -> int: return sum(xs)
def never() -> int: return 1
def raises() -> int: raise ValueError("no such thing")
def two_at_once() -> int: return 1
"""
TOML = """
[sources.shop]
path = "shop.py"
workers = 3

[functions."shop.never"]
task = false

[functions."shop.two_at_once"]
task = { concurrency = 2, attempts = 7 }
"""


async def test_input_is_checked_when_it_is_submitted_and_nothing_stored_of_what_is_wrong(write: Write) -> None:
    folder = write(shop__py=CODE, dragoman__toml=TOML)
    async with hosting(folder) as host:
        await host.start()
        tasks = host.tasking.tasks
        with pytest.raises(InvalidArgument) as wrong:
            await tasks.submit(prepared(host, "shop.double", x="one", y=1), Terms())
        assert {breach.path for breach in wrong.value.errors} == {"/x", "/y"}
        gone = prepared(host, "shop.double", x=1)
        host.registry.entries = {}
        with pytest.raises(NotFound):
            await tasks.submit(gone, Terms())
    assert not (folder / ".dragoman/tasks.db").exists()


@pytest.mark.parametrize("bound", ["", 'body_max = "1KB"'])
async def test_an_input_that_no_worker_would_take_is_refused_before_it_is_stored(write: Write, bound: str) -> None:
    folder = write(shop__py=CODE, dragoman__toml=TOML.replace("workers = 3", f"workers = 3\n{bound}"))
    async with hosting(folder) as host:
        await host.start()
        call = prepared(host, "shop.double", x=1)
        call.codec, call.body = Codec.JSON, b'{"x":' + b" " * (17 * 1024 * 1024) + b"1}"
        with pytest.raises(InvalidArgument, match=r"it takes at most .* \(body_max\)"):
            await host.tasking.tasks.submit(call, Terms())
    assert not (folder / ".dragoman/tasks.db").exists()


async def test_what_says_that_it_is_no_task_cannot_be_submitted(write: Write) -> None:
    async with hosting(write(shop__py=CODE, dragoman__toml=TOML)) as host:
        await host.start()
        with pytest.raises(Unimplemented, match="task = false"):
            await host.tasking.tasks.submit(prepared(host, "shop.never"), Terms())
        call = prepared(host, "shop.total")
        call.input = InputStream(lambda _: None)
        with pytest.raises(InvalidArgument, match="stored whole"):
            await host.tasking.tasks.submit(call, Terms())


async def test_the_input_that_is_stored_has_the_defaults_filled_in(write: Write) -> None:
    async with hosting(write(shop__py=CODE, dragoman__toml=TOML)) as host:
        await host.start()
        call = prepared(host, "shop.double", x=4)
        await HostFunctions(host).admit(call)
        assert call.target is host.registry.find("shop.double").target


async def test_a_pool_has_as_many_places_as_workers_and_is_busy_with_what_they_run(write: Write) -> None:
    async with hosting(write(shop__py=CODE, dragoman__toml=TOML)) as host:
        await host.start()
        works = host.tasking._works  # pyright: ignore[reportPrivateUsage] - its only maker
        assert works.room("shop").places == 3
        assert works.room("gone").places == 0
        job = works.jobs()["shop.two_at_once"]
        assert (job.group, job.options.concurrency, job.options.attempts) == ("shop", 2, 7)
        assert works.jobs() is works.jobs()


async def test_the_fault_of_a_task_is_logged_with_the_traceback_of_its_function(write: Write) -> None:
    journal = RecordingJournal()
    async with hosting(write(shop__py=CODE, dragoman__toml=TOML), journal=journal) as host:
        await host.start()
        document = await over(host, await submit(host, "shop.raises"))
    assert (document["state"], document["fault"]["code"]) == ("FAILED", "UNKNOWN")
    assert document["fault"]["detail"] == "ValueError: no such thing"
    assert "Traceback" not in str(document)
    (fault,) = journal.faults
    assert isinstance(fault, Fault)
    assert fault.code is Code.UNKNOWN
    assert 'raise ValueError("no such thing")' in fault.traceback
