from __future__ import annotations

import asyncio

import grpc
import grpc.aio
import pytest

from dragoman.upstream.operation import SpecError
from dragoman.upstream.rpc.reflection import reflected
from tests.upstream.rpc.shops import SHOP, selling


async def test_files_come_with_all_that_they_import() -> None:
    async with selling() as shop, grpc.aio.insecure_channel(shop.url.removeprefix("grpc://")) as channel:
        files, services = await reflected(channel, ())
        assert services == ["acme.shop.v1.Other", SHOP]
        assert files.missing() == []
        assert files.pool().FindServiceByName(SHOP).methods


async def test_a_server_without_it_says_so() -> None:
    async with (
        selling(reflecting=False) as shop,
        grpc.aio.insecure_channel(shop.url.removeprefix("grpc://")) as channel,
    ):
        with pytest.raises(SpecError, match="proto ="):
            await reflected(channel, ())


async def test_a_server_that_is_not_there_is_no_answer() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:9") as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await asyncio.wait_for(reflected(channel, ()), 20)
