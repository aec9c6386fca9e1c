"""Tasks over the native ingress, and on the control socket: the same documents as over HTTP."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

import dragoman
from dragoman.config.load import load
from dragoman.host.assemble import launch_confinement, parts
from dragoman.host.journal import SilentJournal
from dragoman.host.serving import Ingresses, Serving
from dragoman.host.task_doors import SEQ_MAX, number, text
from dragoman.ingress.http.options import HttpOptions
from dragoman.ingress.native.options import NativeOptions
from dragoman.telemetry.log import Log, LogOptions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.host.conftest import Write

ID = "019c3a5e-7c1d-7000-8000-0123456789ab"
SHOP = """
    from dragoman import Context, Fault

    def double(n: int) -> int:
        return 2 * n

    def size(data: bytes) -> int:
        return len(data)

    def told(ctx: Context) -> str:
        ctx.progress(1.0, "all")
        print("a line")
        return "done"

    def refuses() -> None:
        raise Fault.failed_precondition("no paper")
"""


@asynccontextmanager
async def serving(folder: Path) -> AsyncGenerator[str]:
    """The address of a host of a project."""
    log = Log(LogOptions(level="error"))
    url = f"unix://{folder}/n.sock"
    confinement = launch_confinement()
    made = parts(load([folder]), lambda _: SilentJournal(), confinement)
    served = Serving(made, Ingresses(HttpOptions(enabled=False), NativeOptions(listen=(url,))), log, "9.9")
    await served.start()
    try:
        yield url
    finally:
        await served.stop()
        log.close()
        confinement.close()


@pytest.fixture
def folder(write: Write) -> Path:
    return write(shop__py=SHOP, dragoman__toml='[sources.shop]\npath = "shop.py"\n')


async def test_a_task_is_submitted_followed_and_found_again(folder: Path) -> None:
    async with serving(folder) as url, dragoman.connect(url) as remote:
        task = await remote.submit("shop.double", {"n": 21}, key="k", priority="batch", delay="10ms")
        assert await task.result(timeout=30) == 42
        assert (await task.status())["priority"] == "batch"
        assert (await remote.submit("shop.double", {"n": 21}, key="k")).id == task.id
        assert await (await remote.submit("shop.size", {"data": b"\xff" * 4})).result() == 4
        told = await remote.shop.told.submit()
        kinds = [each.kind async for each in told.events()]
        assert (kinds[0], kinds[-1]) == ("state", "state")
        assert {"progress", "log"} >= set(kinds[1:-1]) - {"state"}
        assert [each["message"] for each in await told.logs()] == ["a line"]
        assert [each.id async for each in remote.tasks(function="shop.told")] == [told.id]
        assert await remote.undelivered() == []


async def test_faults_are_those_of_http(folder: Path) -> None:
    async with serving(folder) as url, dragoman.connect(url) as remote:
        for function, given, kind in (
            ("shop.nowhere", {}, dragoman.NotFound),
            ("shop.double", {"n": "x"}, dragoman.InvalidArgument),
        ):
            with pytest.raises(kind):
                await remote.submit(function, given)
        task = await remote.submit("shop.refuses")
        with pytest.raises(dragoman.FailedPrecondition, match="no paper"):
            await task.result(timeout=30)
        assert (await task.retry())["attempts_max"] == 4
        later = await remote.submit("shop.double", {"n": 1}, delay=3600)
        assert (await later.cancel())["state"] == "CANCELLED"
        with pytest.raises(dragoman.NotFound):
            await remote.task(ID)
        with pytest.raises(dragoman.NotFound):
            await remote.redeliver("nothing")


@pytest.mark.parametrize(
    ("name", "given", "wrong"),
    [
        ("submit", {"function": "shop.double", "body": b"{}"}, "body, codec or reply_codec"),
        ("submit", {"function": "shop.double", "body": "{}", "codec": 1, "reply_codec": 1}, "body, codec"),
        ("submit", {"function": "shop.double", "input": [1]}, "input is no object"),
        ("submit", {"function": "shop.double", "input": {"n": "x"}}, "breaks its contract"),
        ("submit", {"function": "shop.double", "body": b"{}", "codec": 9, "reply_codec": 1}, "codec"),
        ("submit", {"function": 1, "body": b"{}", "codec": 1, "reply_codec": 1}, "function is a text"),
        ("submit", {"function": "shop.double", "body": b"{}", "codec": 1, "reply_codec": 1, "delay": "soon"}, "delay"),
        ("submit", {"function": "shop.double", "body": b"{}", "codec": 1, "reply_codec": 1, "delay": []}, "input of"),
        ("submit", {"function": "shop.double", "body": b"{}", "codec": 1, "reply_codec": 1, "callback": 5}, "input of"),
        ("show", {"id": 5}, "id is a text"),
        ("show", {"id": "x" * 1000}, "id is a text"),
        ("wait", {"id": ID, "seconds": -1}, "seconds is a number"),
        ("wait", {"id": ID, "seconds": "long"}, "seconds is a number"),
        ("find", {"states": "DEAD"}, "list of states"),
        ("find", {"states": ["NO"]}, "expected one of"),
        ("find", {"limit": True}, "limit is a number"),
        ("events", {"id": ID, "after": None}, "after is a number"),
    ],
)
async def test_what_is_asked_wrongly_is_refused(folder: Path, name: str, given: dict[str, Any], wrong: str) -> None:
    async with serving(folder) as url, dragoman.connect(url) as remote:
        with pytest.raises(dragoman.InvalidArgument, match=wrong):
            await remote.call(f"dragoman.tasks.{name}", given)


async def test_other_languages_submit_by_a_plain_call(folder: Path) -> None:
    async with serving(folder) as url, dragoman.connect(url) as remote:
        given = {"function": "shop.double", "input": {"n": 4}, "delay": "1ms", "key": "k"}
        task = await remote.call("dragoman.tasks.submit", given)
        assert (await remote.call("dragoman.tasks.wait", {"id": task["id"], "seconds": 30}))["state"] == "SUCCEEDED"
        assert await remote.call("dragoman.tasks.result", {"id": task["id"]}) == 8


async def test_a_result_that_is_not_there_yet_is_told_apart(folder: Path) -> None:
    async with serving(folder) as url, dragoman.connect(url) as remote:
        later = await remote.submit("shop.double", {"n": 1}, delay=3600)
        with pytest.raises(dragoman.Aborted):
            await remote.call("dragoman.tasks.result", {"id": later.id})
        assert (await remote.call("dragoman.tasks.wait", {"id": later.id, "seconds": 0.05}))["state"] == "SCHEDULED"


def test_numbers_and_texts_are_bounded() -> None:
    assert number({"n": 1e30}, "n", SEQ_MAX) == SEQ_MAX
    assert (number({}, "n", 1), text({}, "t")) == (0, "")
    with pytest.raises(dragoman.InvalidArgument):
        number({"n": float("nan")}, "n", 1)
