"""Asking a gRPC server what it offers: server reflection, version 1, or the older one where that is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from grpc_reflection.v1alpha import reflection_pb2 as told

from dragoman.upstream.operation import SpecError
from dragoman.upstream.rpc.methods import OURS
from dragoman.upstream.rpc.pool import FILES_MAX, Files
from dragoman.upstream.rpc.status import Ending

if TYPE_CHECKING:
    from collections.abc import Sequence

PATHS = (
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)
"""The messages of both are the same on the wire."""
SERVICES_MAX = 1000


async def reflected(channel: grpc.aio.Channel, metadata: Sequence[tuple[str, str]]) -> tuple[Files, list[str]]:
    """The files and the services of a server. Raises `SpecError`, and `AioRpcError` for what is no answer."""
    for path in PATHS:
        try:
            return await _asked(channel, path, metadata)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
    raise SpecError('it does not tell what it offers (no server reflection); say so: proto = "service.proto"')


async def _asked(channel: grpc.aio.Channel, path: str, metadata: Sequence[tuple[str, str]]) -> tuple[Files, list[str]]:
    method = channel.stream_stream(
        path,
        request_serializer=told.ServerReflectionRequest.SerializeToString,
        response_deserializer=told.ServerReflectionResponse.FromString,
    )
    talk: Any = method(metadata=tuple(metadata))
    ending = Ending(talk)
    try:
        listed = await _ask(talk, ending, told.ServerReflectionRequest(list_services="*"))
        services = [
            service.name for service in listed.list_services_response.service if not service.name.startswith(OURS)
        ]
        if len(services) > SERVICES_MAX:
            raise SpecError(f"it has more than {SERVICES_MAX} services")
        files = Files()
        for name in services:
            answer = await _ask(talk, ending, told.ServerReflectionRequest(file_containing_symbol=name))
            if not answer.HasField("error_response"):  # else it is left out later, by name
                _take(files, answer)
        for _ in range(FILES_MAX):
            missing = files.missing()
            if not missing:
                break
            for name in missing:
                _take(files, await _ask(talk, ending, told.ServerReflectionRequest(file_by_filename=name)))
            if set(missing) & set(files.missing()):
                raise SpecError(f"{missing[0]} is imported, and the server does not tell it")
        await talk.done_writing()
        return files, services
    finally:
        talk.cancel()


async def _ask(talk: Any, ending: Ending, request: told.ServerReflectionRequest) -> told.ServerReflectionResponse:
    try:
        await talk.write(request)
        answer: Any = await talk.read()
    except (grpc.aio.UsageError, grpc.aio.AioRpcError):
        answer = grpc.aio.EOF
    if answer is grpc.aio.EOF:
        code, details = await ending.status()
        raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details)
    return answer


def _take(files: Files, answer: told.ServerReflectionResponse) -> None:
    if answer.HasField("error_response"):
        raise SpecError(f"its reflection answers {answer.error_response.error_message[:200]}")
    for serialized in answer.file_descriptor_response.file_descriptor_proto:
        files.add(serialized)
