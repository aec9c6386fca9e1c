"""grpcio over a UNIX socket: a blocking server with generic handlers, so that no generated code is in the way."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import grpc

from bench.system import READY_S_MAX, running

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

METHOD = "/bench.Functions/Mirror"
OPTIONS = [("grpc.max_receive_message_length", 128 << 20), ("grpc.max_send_message_length", 128 << 20)]


@contextlib.contextmanager
def grpc_unix(body: bytes) -> Generator[Callable[[], bytes]]:
    """Send a body there and back."""
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as folder:
        address = f"unix:{folder}/grpc.sock"
        with running([sys.executable, "-m", "bench.peers.grpc_unix", address]), connected(address, body) as call:
            yield call


@contextlib.contextmanager
def sending() -> Generator[Callable[[bytes], bytes]]:
    """Send any body there and back."""
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as folder:
        address = f"unix:{folder}/grpc.sock"
        with (
            running([sys.executable, "-m", "bench.peers.grpc_unix", address]),
            grpc.insecure_channel(address, options=OPTIONS) as channel,
        ):
            call = cast("Callable[..., bytes]", channel.unary_unary(METHOD))
            call(b"", wait_for_ready=True, timeout=READY_S_MAX)
            yield call


@contextlib.contextmanager
def connected(address: str, body: bytes) -> Generator[Callable[[], bytes]]:
    """The same, of a server that is there or coming."""
    with grpc.insecure_channel(address, options=OPTIONS) as channel:
        call = cast("Callable[..., bytes]", channel.unary_unary(METHOD))
        call(body, wait_for_ready=True, timeout=READY_S_MAX)
        yield lambda: call(body)


@contextlib.asynccontextmanager
async def grpc_aio(body: bytes) -> AsyncGenerator[Callable[[], Awaitable[bytes]]]:
    """The same, from an asyncio program."""
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as folder:
        address = f"unix:{folder}/grpc.sock"
        with running([sys.executable, "-m", "bench.peers.grpc_unix", address]):
            async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
                call = cast("Callable[..., Awaitable[bytes]]", channel.unary_unary(METHOD))
                await call(body, wait_for_ready=True, timeout=READY_S_MAX)
                yield lambda: call(body)


def _mirror(request: bytes, _: Any) -> bytes:
    return request


def main(address: str) -> None:
    """Serve until told to end."""
    server = grpc.server(ThreadPoolExecutor(max_workers=2), options=OPTIONS)
    handlers: dict[str, Any] = {"Mirror": grpc.unary_unary_rpc_method_handler(_mirror)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Functions", handlers),))
    server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1])
