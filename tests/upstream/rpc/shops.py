"""A real gRPC server for the tests: the service of shop.proto, on the test's loop or as a program of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection

HERE = Path(__file__).parent
SHOP = "acme.shop.v1.Shop"


@cache
def files() -> bytes:
    """The descriptor set of shop.proto."""
    import subprocess  # noqa: PLC0415 - for the tests' own reading of the file
    import tempfile  # noqa: PLC0415 - as above

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set.pb"
        words = ["-I", str(HERE), "--include_imports", f"--descriptor_set_out={out}", "shop.proto"]
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *words], check=True, timeout=60, cwd=HERE)
        return out.read_bytes()


@cache
def pool() -> DescriptorPool:
    made = DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(files()).file:
        made.Add(file)
    return made


def message(name: str) -> Any:
    """A message's class."""
    return GetMessageClass(pool().FindMessageTypeByName(f"acme.shop.v1.{name}"))


class Shop:
    """What the server does; `gone` is set when a call was given up."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.came = asyncio.Event()
        self.metadata: dict[str, Any] = {}
        self.remaining: float | None = None
        self.url = ""
        self.closed = False

    async def echo(self, request: Any, context: Any) -> Any:
        self.metadata = dict(context.invocation_metadata())
        self.remaining = context.time_remaining()
        return request

    async def ask(self, request: Any, context: Any) -> Any:
        self.came.set()
        if request.how == "hang":
            try:
                await asyncio.Event().wait()
            finally:
                self.gone.set()
        if request.how == "large":
            return message("Number")(number=1).SerializeToString() + b"\x7a\x80\x80\x40" + bytes(1024 * 1024)
        if request.how == "garbage":
            return b"\xff\xff\xff"
        if request.how:
            await context.abort(grpc.StatusCode[request.how], "so it is")
        return message("Number")(number=request.number).SerializeToString()

    async def count(self, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            for number in range(request.number):
                yield message("Number")(number=number)
                if number == 1_000_000:
                    await asyncio.Event().wait()
            if request.number == 3:
                await context.abort(grpc.StatusCode.DATA_LOSS, "lost the rest")
            if request.number < 0:
                await asyncio.Event().wait()
        finally:
            self.gone.set()

    async def sum(self, requests: AsyncIterator[Any], context: Any) -> Any:
        if self.closed:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "closed")
        return message("Number")(number=sum([each.number async for each in requests]))

    async def double(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for each in requests:
            yield message("Number")(number=each.number * 2)


def serialized(each: Any) -> bytes:
    return each.SerializeToString()


async def same(request: bytes, context: Any) -> bytes:
    return request


def handlers(shop: Shop) -> list[Any]:
    """The services' methods; those that take and give bytes answer what they like."""

    async def later(request: bytes, context: Any) -> bytes:
        return b"\x08\x01\x10\x02"

    number, everything = message("Number").FromString, message("Everything").FromString
    write: Any = serialized
    methods: dict[str, Any] = {
        "Echo": grpc.unary_unary_rpc_method_handler(shop.echo, everything, write),
        "Ask": grpc.unary_unary_rpc_method_handler(shop.ask, message("Asked").FromString),
        "Count": grpc.unary_stream_rpc_method_handler(shop.count, number, write),
        "Sum": grpc.stream_unary_rpc_method_handler(shop.sum, number, write),
        "Double": grpc.stream_stream_rpc_method_handler(shop.double, number, write),
        "Later": grpc.unary_unary_rpc_method_handler(later),
        "Nothing": grpc.unary_unary_rpc_method_handler(same),
    }

    async def serving(request: bytes, context: Any) -> bytes:
        return b"\x08\x01"

    return [
        grpc.method_handlers_generic_handler(SHOP, methods),
        grpc.method_handlers_generic_handler("acme.shop.v1.Other", {"Echo": grpc.unary_unary_rpc_method_handler(same)}),
        grpc.method_handlers_generic_handler(
            "grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(serving)}
        ),
    ]


@asynccontextmanager
async def selling(address: str = "127.0.0.1:0", *, reflecting: bool = True) -> AsyncGenerator[Shop]:
    """A running server."""
    shop = Shop()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(handlers(shop))
    if reflecting:
        names = [SHOP, "acme.shop.v1.Other", reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, server, pool=pool())
    port = server.add_insecure_port(address)
    await server.start()
    shop.url = address if address.startswith("unix:") else f"grpc://127.0.0.1:{port}"
    try:
        yield shop
    finally:
        await server.stop(0)


async def serve_forever(port: int) -> None:
    async with selling(f"127.0.0.1:{port}"):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve_forever(int(sys.argv[1])))
