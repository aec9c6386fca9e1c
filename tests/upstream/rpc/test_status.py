from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest

from dragoman.core.call import Call
from dragoman.core.fault import Code, Started
from dragoman.core.target import Target
from dragoman.upstream.rpc.status import Ending, at_once, fault_of
from tests.upstream.rpc.shops import SHOP, selling


@pytest.mark.parametrize("status", list(grpc.StatusCode))
def test_every_status_is_a_fault(status: grpc.StatusCode) -> None:
    fault = fault_of(status, "why " * 5000, Call(Target("it.f", "it", "f", 0, 1.0), b""), 9)
    assert fault.code is (Code.UNKNOWN if status is grpc.StatusCode.OK else Code[status.name])
    assert fault.function == "it.f"
    assert len(fault.detail) < 5000


@pytest.mark.parametrize(
    ("details", "started"),
    [
        ("failed to connect to all addresses; last error: refused", Started.NO),
        ("DNS resolution failed for nowhere", Started.NO),
        ("Socket closed", Started.UNKNOWN),
        ("", Started.UNKNOWN),
    ],
)
def test_only_what_never_left_has_not_started(details: str, started: Started) -> None:
    fault = fault_of(grpc.StatusCode.UNAVAILABLE, details, Call(Target("it.f", "it", "f", 0, 1.0), b""), 9)
    assert fault.started is started


async def forever(talk: Any) -> None:
    while True:
        await talk.write(b"\x08\x01")


async def test_what_a_service_said_is_not_lost_when_it_ends_a_call_that_still_sends() -> None:
    async with selling() as shop, grpc.aio.insecure_channel(shop.url.removeprefix("grpc://")) as channel:
        shop.closed = True
        plain: Any = channel
        for _ in range(200):
            talk = plain.stream_unary(f"/{SHOP}/Sum")()
            ending = Ending(talk)
            with pytest.raises((grpc.aio.AioRpcError, grpc.aio.UsageError)):
                await forever(talk)
            assert await ending.status() == (grpc.StatusCode.FAILED_PRECONDITION, "closed")


def test_a_coroutine_that_would_wait_is_left() -> None:
    async def quick() -> int:
        return 1

    async def slow() -> int:
        await asyncio.sleep(0)
        return 1

    assert at_once(quick()) == 1
    assert at_once(slow()) is None
