"""Uses of the public API with the types that a checker must see in them. Checked by pyright, never run.

A line that must be refused carries the ignore that silences it; an ignore that silences nothing is itself an error.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Generator
from typing import Any, assert_type

import dragoman
from dragoman.client.desk import TaskEvent
from dragoman.core.call import Call, Reply
from dragoman.core.fault import Breach, Code, FailedPrecondition, Fault
from dragoman.core.service import Layer, Pending, Service, settle
from dragoman.core.target import Target


def faults() -> None:
    assert_type(Fault.failed_precondition("no"), FailedPrecondition)
    assert_type(Fault.of(Code.ABORTED, "no"), Fault)
    try:
        raise Fault.of("ABORTED", "no")
    except Fault as fault:
        assert_type(fault.errors, tuple[Breach, ...])
        assert_type(fault.retryable, bool)
        assert_type(fault.retry_after_s, float | None)


async def as_coroutine(call: Call) -> Reply:
    return Reply(b"", call.codec)


def as_pending(call: Call) -> Pending:
    return Pending.failed(Fault.not_found(call.target.name))


def as_text(call: Call) -> str:
    return call.target.name


def services(target: Target) -> None:
    chosen: list[Service] = [as_coroutine, as_pending]
    chosen.append(as_text)  # pyright: ignore[reportArgumentType] - a service gives an awaitable reply, not text
    for service in chosen:
        assert_type(service(Call(target, b"{}")), Awaitable[Reply])
        assert_type(settle(service(Call(target, b"{}"))), Pending)


def layer(service: Service) -> Service:
    return service


async def layers(target: Target) -> None:
    wrap: Layer = layer
    reply = await wrap(as_pending)(Call(target, b"{}"))
    assert_type(reply, Reply)
    if reply.items is not None:
        assert_type(aiter(reply.items), AsyncIterator[bytes])
        await reply.items.aclose()


def targets(target: Target) -> None:
    target.name = "another"  # pyright: ignore[reportAttributeAccessIssue] - a target is a value and does not change


def tasks() -> None:
    with dragoman.connect("http://127.0.0.1:8700") as remote:
        task = remote.submit("reports.build", {"year": 2026}, delay="5m", key="k")
        assert_type(task, dragoman.Task)
        assert_type(task.state, str)
        assert_type(task.events(), Generator[TaskEvent])
        assert_type(dragoman.gather(task, task), list[Any])
        remote.submit("reports.build", dealy=5)  # pyright: ignore[reportCallIssue] - there is no such word
    with dragoman.open("shop/") as shop:
        assert_type(shop.submit("reports.build"), dragoman.Task)


async def awaited_tasks() -> None:
    async with dragoman.connect("unix:///run/shop.sock") as remote:
        task = await remote.submit("reports.build", {"year": 2026}, deadline=60, priority="batch")
        assert_type(task, dragoman.AsyncTask)
        assert_type(await task.status(), dict[str, Any])
        assert_type(task.events(), AsyncGenerator[TaskEvent])
        assert_type(await dragoman.gather(task, task), list[Any])
