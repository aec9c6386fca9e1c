"""A gRPC service as functions: a call becomes a call of its own, over one connection that is kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from dragoman.contract import codec
from dragoman.contract.codecs import json
from dragoman.contract.malformed import Malformed
from dragoman.core.call import Codec, Reply
from dragoman.core.deadline import NEVER
from dragoman.core.draft import whole
from dragoman.core.fault import DataLoss, InvalidArgument, Started, StartFailed
from dragoman.upstream.http import reachable, trace_headers
from dragoman.upstream.operation import SpecError
from dragoman.upstream.pieces import too_large
from dragoman.upstream.rpc.methods import Method, methods_of
from dragoman.upstream.rpc.protoc import files_of
from dragoman.upstream.rpc.reflection import reflected
from dragoman.upstream.rpc.talk import Answers, Talk
from dragoman.upstream.rpc.values import VALUE_KEY, described, from_message, is_wrapped, to_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.descriptor_pool import DescriptorPool

    from dragoman.contract.function import Contract
    from dragoman.core.call import Call
    from dragoman.upstream.setting import Setting

HEALTH = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"
"""A health answer whose first field, the status, is SERVING; the whole of it."""

RECONNECT_MS_FIRST, RECONNECT_MS_MAX = 100, 5000
"""Pauses between tries to connect: a service that is back is found again within seconds, and is not flooded."""


class GrpcUpstream:
    """One service. Calls share one connection, as HTTP/2 has it."""

    def __init__(self, setting: Setting) -> None:
        self.in_flight = 0
        self._setting = setting
        self._address = setting.options.address
        self._channel: grpc.aio.Channel | None = None
        self._stale: list[grpc.aio.Channel] = []
        self._methods: tuple[Method, ...] = ()
        self._pool: DescriptorPool | None = None
        self._fixed = tuple((name.lower(), value) for name, value in setting.options.headers.items())

    @property
    def place(self) -> str:
        """Its address, for people."""
        return self._address

    def point(self, port: int) -> None:
        """Take the port that `{port}` stands for from now on."""
        self._address = self._setting.options.address.replace("{port}", str(port))
        if self._channel is not None:
            self._stale.append(self._channel)
            self._channel = None

    async def learn(self) -> tuple[Contract, ...]:
        """Read or ask what it offers. Raises `StartFailed`."""
        setting = self._setting
        proto = setting.options.proto
        try:
            if proto is not None:
                files = await files_of(proto, setting.confinement, setting.clock)
                services = files.services()
            else:
                files, services = await reflected(self._open(), self._fixed)
            self._pool = files.pool()
            offered = await asyncio.to_thread(methods_of, self._pool, services)
        except SpecError as error:
            raise StartFailed(f"{setting.name}: {proto or self._address}: {error}") from None
        except grpc.aio.AioRpcError as error:
            said = f"{error.code().name}: {(error.details() or '')[:500]}"
            raise StartFailed(f"{setting.name}: {self._address} does not tell what it offers: {said}") from None
        for where, why in offered.left_out:
            setting.note(f"{where} of {self._address} is left out: {why}")
        self._methods = offered.methods
        return tuple(method.contract for method in offered.methods)

    async def reach(self) -> str:
        """Why it takes no connection; empty where it does."""
        if self._address.startswith("unix:"):
            return await _reachable_socket(self._address.removeprefix("unix:"))
        return await reachable(self._address)

    async def healthy(self) -> str:
        """Why it cannot be called yet; empty where it can."""
        if self._setting.options.health != "grpc":
            return await self.reach()
        channel: Any = self._open()
        ask = channel.unary_unary(HEALTH)
        try:
            answer: bytes = await ask(b"", metadata=self._fixed)
        except grpc.aio.AioRpcError as error:
            return f"its health answers {error.code().name}: {(error.details() or '')[:300]}"
        return "" if answer == SERVING else "its health does not answer SERVING"

    async def close(self) -> None:
        """Close its connection."""
        channels = [*self._stale, *([self._channel] if self._channel is not None else [])]
        self._stale, self._channel = [], None
        for channel in channels:
            await channel.close()

    async def __call__(self, call: Call, /) -> Reply:
        """Run one call. Raises its `Fault`."""
        setting = self._setting
        if (fault := setting.refusal()) is not None:
            fault.function = call.target.name
            raise fault
        method = self._methods[call.target.index]
        messages = self._messages(method, call)
        first = None if method.takes_stream else await anext(messages)
        await self._forget_stale()
        self.in_flight += 1
        talk = Talk(self._begun(method, first, call), call, setting.output_bytes_max, self._ended)
        held = False
        try:
            if method.takes_stream:
                talk.feed(messages)
            if method.gives_stream:
                if not method.takes_stream:
                    await talk.begun()
                held = True
                return Reply(b"", items=Answers(talk, lambda body: self._encoded(method, body, call)))
            return Reply(self._encoded(method, await talk.answer(), call))
        finally:
            if not held:
                await talk.aclose()

    def _begun(self, method: Method, first: bytes | None, call: Call) -> Any:
        """The call under way."""
        setting = self._setting
        channel = self._open()
        makers: dict[tuple[bool, bool], Any] = {
            (False, False): channel.unary_unary,
            (False, True): channel.unary_stream,
            (True, False): channel.stream_unary,
            (True, True): channel.stream_stream,
        }
        multi = makers[method.takes_stream, method.gives_stream](method.path)
        traced = trace_headers(call).items()
        metadata = (("dragoman-call-id", setting.call_id(call)), *traced, *self._fixed)
        now = setting.clock.monotonic()
        timeout_s = None if call.deadline == NEVER else max(call.deadline - now, 0.0)
        call.dispatched_at = now
        given = () if first is None else (first,)
        return multi(*given, timeout=timeout_s, metadata=metadata, wait_for_ready=False)

    async def _messages(self, method: Method, call: Call) -> AsyncIterator[bytes]:
        """What goes out, one after the other. Raises `InvalidArgument`, and what the caller's stream raises."""
        function = call.target.name
        assert self._pool is not None
        if call.codec is not Codec.JSON:
            detail = f"{function} takes JSON or MessagePack, and no {call.codec.name.lower()}"
            raise InvalidArgument(detail, function=function)
        given = whole(call.body)
        value: Any = json.decode(given) if given else {}
        if not method.takes_stream:
            inner = value.get(VALUE_KEY) if is_wrapped(described(method.request)) else value
            yield to_bytes(inner, method.request, self._pool, function)
            return
        if call.input is None:
            for each in value.get(method.contract.input_stream, ()):
                yield to_bytes(each, method.request, self._pool, function)
            return
        async for kind, body in call.input:
            try:
                each = json.decode(body if kind is Codec.JSON else codec.encode(codec.decode(body, kind), Codec.JSON))
            except Malformed as error:
                raise InvalidArgument(f"{function}: an item is {error}", function=function) from None
            yield to_bytes(each, method.request, self._pool, function)

    def _encoded(self, method: Method, answer: bytes, call: Call) -> bytes:
        assert self._pool is not None
        try:
            message = method.response.FromString(answer)
        except DecodeError:
            detail = f"the service answered what is no {method.response.DESCRIPTOR.full_name}"
            raise DataLoss(detail, started=Started.YES, function=call.target.name) from None
        body = json.encode(from_message(message, self._pool, call.target.name))
        if len(body) > self._setting.output_bytes_max:
            raise too_large(call.target.name, self._setting.output_bytes_max)
        return body

    def _open(self) -> grpc.aio.Channel:
        if self._channel is None:
            self._channel = _channel(self._address, self._setting.output_bytes_max)
        return self._channel

    async def _forget_stale(self) -> None:
        while self._stale:
            await self._stale.pop().close()

    def _ended(self) -> None:
        self.in_flight -= 1


def _channel(address: str, reply_bytes_max: int) -> grpc.aio.Channel:
    """A channel to `grpc://host:port`, `grpcs://host:port` (TLS) or `unix:/path`; nothing is connected yet."""
    options = (
        ("grpc.max_receive_message_length", reply_bytes_max),
        ("grpc.max_send_message_length", -1),  # what may come in is bounded before it gets here
        ("grpc.enable_retries", 0),  # whoever calls decides on that
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MS_FIRST),
        ("grpc.min_reconnect_backoff_ms", RECONNECT_MS_FIRST),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_MS_MAX),
    )
    if address.startswith("unix:"):
        return grpc.aio.insecure_channel(address, options=options)
    parts = urlsplit(address)
    if parts.scheme == "grpcs":
        return grpc.aio.secure_channel(parts.netloc, grpc.ssl_channel_credentials(), options=options)
    return grpc.aio.insecure_channel(parts.netloc, options=options)


async def _reachable_socket(path: str) -> str:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError as error:
        return f"{path} takes no connection: {error.strerror or error}"
    writer.close()
    return ""
