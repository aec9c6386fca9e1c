"""Methods of gRPC services as functions: their names, their contracts, and the types of their messages."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.message_factory import GetMessageClass

from dragoman.contract.function import Contract, ContractError
from dragoman.contract.manifest import FUNCTIONS_MAX
from dragoman.upstream.naming import clean
from dragoman.upstream.operation import SpecError
from dragoman.upstream.rpc.shapes import Shapes
from dragoman.upstream.schema import check_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

STREAM_KEY = "requests"
"""The property of an input that is a stream of messages."""
OURS = ("grpc.reflection.", "grpc.health.", "grpc.channelz.")
"""Services about servers, which every server may have and nobody means."""
NO_SIDE_EFFECTS, IDEMPOTENT = 1, 2


@dataclass(frozen=True, slots=True)
class Method:
    """One method; `path` is where it is called."""

    contract: Contract
    path: str
    request: type[Message]
    response: type[Message]
    takes_stream: bool
    gives_stream: bool


@dataclass(frozen=True, slots=True)
class Offered:
    """What services offer, and what of it had to be left out: `(method, why)`."""

    methods: tuple[Method, ...]
    left_out: tuple[tuple[str, str], ...]


def methods_of(pool: DescriptorPool, services: Iterable[str]) -> Offered:
    """The methods of services. Raises `SpecError` where nothing is left."""
    found: list[MethodDescriptor] = []
    left_out: list[tuple[str, str]] = []
    for name in sorted(set(services)):
        if name.startswith(OURS):
            continue
        try:
            found += pool.FindServiceByName(name).methods
        except (KeyError, TypeError):
            left_out.append((name, "it is not described"))
    if len(found) > FUNCTIONS_MAX:
        raise SpecError(f"it has more than {FUNCTIONS_MAX} methods")
    made: dict[str, Method] = {}
    for method, name in zip(found, names(found), strict=True):
        try:
            made[name] = _method(method, name)
        except (SpecError, ContractError) as error:
            left_out.append((method.full_name, str(error)))
    if not made:
        first = f": {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
        raise SpecError(f"it offers no method that can be called{first}")
    return Offered(tuple(made.values()), tuple(left_out))


def names(methods: list[MethodDescriptor]) -> list[str]:
    """A name for each method: its own, with its service's before it where several services have one of that name."""
    own = Counter(method.name for method in methods)
    longer = Counter(f"{method.containing_service.name}_{method.name}" for method in methods)
    made: list[str] = []
    for method in methods:
        service = method.containing_service
        by_service = f"{service.name}_{method.name}"
        full = by_service if longer[by_service] == 1 else f"{service.full_name}_{method.name}"
        made.append(clean(method.name if own[method.name] == 1 else full))
    return made


def _method(method: MethodDescriptor, name: str) -> Method:
    request, response = method.input_type, method.output_type
    takes, gives = bool(method.client_streaming), bool(method.server_streaming)
    shapes = Shapes(strict=True)
    given: dict[str, Any] = shapes.stream(request, STREAM_KEY) if takes else shapes.input(request)
    contract = Contract(
        name,
        description=f"{method.full_name}: {request.full_name} to {response.full_name}.",
        input=given,
        output=Shapes(strict=False).root(response),
        streaming=gives,
        idempotent=method.GetOptions().idempotency_level in (NO_SIDE_EFFECTS, IDEMPOTENT),
        input_stream=STREAM_KEY if takes else "",
    )
    for schema in (contract.input, contract.output):
        check_schema(schema)
    path = f"/{method.containing_service.full_name}/{method.name}"
    return Method(contract, path, GetMessageClass(request), GetMessageClass(response), takes, gives)
