"""Plain functions are bound, called with bytes, and their results written."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Never, NoReturn, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.contract.check import Checker
from dragoman.contract.function import ContractError
from dragoman.contract.marker import Marker, function
from dragoman.contract.signature import bind
from dragoman.core.call import Codec
from dragoman.core.fault import Breach, Fault, InvalidArgument, Started, Unimplemented, Unknown


class Context:
    """Marked as the guest's is."""

    __dragoman_context__ = True


@dataclass
class Point:
    """A point of the plane."""

    x: int
    y: list[int] = field(default_factory=list[int])
    next: Point | None = None

    def __post_init__(self) -> None:
        if self.x == 13:
            message = "unlucky"
            raise ValueError(message)
        if self.x == 14:
            raise KeyError(self.x)


class Options(TypedDict, total=False):
    """Options of something."""

    deep: bool


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """A strict record."""

    a: int


@dataclass
class Holder:
    """Holds what cannot travel."""

    inner: list[socket.socket]


def nothing() -> None:
    """Do nothing."""


def add(a: float, b: float = 2.0) -> float:
    """Add two numbers.

    Args:
        a: the first
        b: the second

    Returns:
        the sum
    """
    return a + b


def breaches(target: Callable[..., Any], body: bytes, codec: Codec = Codec.JSON) -> set[tuple[str, str]]:
    """The breaches of a body that must be refused before the function runs."""
    with pytest.raises(InvalidArgument) as caught:
        bind(target).invoke(body, codec)
    assert caught.value.started is Started.NO
    return set(caught.value.errors)


def test_a_plain_function_has_a_whole_contract() -> None:
    contract = bind(add).contract
    assert (contract.name, contract.description) == ("add", "Add two numbers.")
    assert contract.input == {
        "type": "object",
        "properties": {
            "a": {"type": "number", "description": "the first"},
            "b": {"type": "number", "description": "the second", "default": 2.0},
        },
        "required": ["a"],
        "additionalProperties": False,
    }
    assert contract.output == {"type": "number", "description": "the sum"}
    flags = contract.streaming, contract.idempotent, contract.raw_input, contract.raw_output
    assert not any(flags)


def test_the_marker_says_more() -> None:
    @function(name="plus", version="1.0.0", idempotent=True)
    def marked(a: int) -> int:
        return a

    assert bind(marked).contract.name == "plus"
    assert bind(marked).contract.idempotent
    assert bind(marked, marker=Marker(description="other")).contract.description == "other"


@pytest.mark.parametrize("body", [b'{"a": 1}', b'{"b": 2, "a": 1.0}', memoryview(b'{"a":1}')])
def test_a_call_decodes_and_runs(body: bytes) -> None:
    assert bind(add).invoke(body, Codec.JSON) == 3.0


def test_a_messagepack_call_runs_the_same() -> None:
    assert bind(add).invoke(msgspec.msgpack.encode({"a": 1}), Codec.MSGPACK) == 3.0


def test_every_breach_is_named_in_one_answer() -> None:
    assert breaches(add, b'{"b": "x", "c": 1}') == {
        ("/a", "is required but missing"),
        ("/b", "must be a number"),
        ("/c", "is not a key that is known here"),
    }


@pytest.mark.parametrize("body", [b"", b"[", b"[]", b"5", b'{"a": NaN}', b'{"a": "\\ud800"}', b"[" * 100_000, b"\xff"])
@pytest.mark.parametrize("codec", [Codec.JSON, Codec.MSGPACK])
def test_a_bad_body_is_an_invalid_argument(body: bytes, codec: Codec) -> None:
    assert breaches(add, body, codec)


@pytest.mark.parametrize("target", [add, nothing])
@given(body=st.binary(max_size=60), codec=st.sampled_from([Codec.JSON, Codec.MSGPACK, Codec.BYTES, Codec.ARROW]))
def test_any_bytes_run_or_are_refused(target: Callable[..., Any], body: bytes, codec: Codec) -> None:
    with suppress(InvalidArgument):
        bind(target).invoke(body, codec)


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.JSON, Codec.MSGPACK, Codec.BYTES])
def test_an_empty_body_calls_a_function_that_needs_nothing(codec: Codec) -> None:
    def target(a: int = 5) -> int:
        return a

    assert bind(target).invoke(b"", codec) == 5


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.BYTES, Codec.ARROW])
def test_a_codec_that_does_not_fit_is_refused(codec: Codec) -> None:
    assert breaches(add, b'{"a": 1}', codec)


def test_an_extension_type_is_an_invalid_argument() -> None:
    assert breaches(add, b"\x81\xa1a\xd4\x05x", Codec.MSGPACK) == {
        ("", "not valid MessagePack: extension type 5 is not known here")
    }


def test_a_type_error_of_the_function_is_its_own() -> None:
    def target(a: int) -> int:
        return a + None

    with pytest.raises(TypeError):
        bind(target).invoke(b'{"a": 1}', Codec.JSON)


def test_every_kind_of_parameter_is_passed_on() -> None:
    def target(a: int, /, b: int, ctx: Context, c: int = 3, *, d: int, e: int = 5) -> Any:
        return a, b, ctx, c, d, e

    context = Context()
    binding = bind(target)
    assert binding.context_parameter == "ctx"
    assert "ctx" not in binding.contract.input["properties"]
    assert binding.invoke(b'{"a":1,"b":2,"d":4}', Codec.JSON, context) == (1, 2, context, 3, 4, 5)


def test_a_context_may_be_optional_or_by_keyword() -> None:
    def target(a: int, *, ctx: Context | None = None) -> Any:
        return a, ctx

    assert bind(target).invoke(b'{"a":1}', Codec.JSON, "given") == (1, "given")


def test_a_context_for_the_type_checker_only_is_found() -> None:
    source = "def f(a: int, ctx: Context) -> Iterator[int]:\n    yield a\n"
    scope: dict[str, Any] = {"__name__": "elsewhere"}
    exec(compile("from __future__ import annotations\n" + source, "elsewhere", "exec"), scope)
    binding = bind(scope["f"])
    assert binding.context_parameter == "ctx"
    assert binding.is_stream


@pytest.mark.parametrize("kind", [Point, Options, Strict])
def test_a_single_record_takes_the_whole_object(kind: Any) -> None:
    def target(value: Any) -> Any:
        return value

    target.__annotations__ = {"value": kind, "return": Any}
    contract = bind(target).contract
    assert contract.input["additionalProperties"] is False
    assert "value" not in contract.input["properties"]
    assert ("/zz", "is not a key that is known here") in breaches(target, b'{"a": 1, "x": 1, "zz": 1}')


def test_a_record_is_built_and_its_breaches_found() -> None:
    def target(p: Point, ctx: Context) -> Point:
        assert isinstance(ctx, Context)
        return p

    assert bind(target).invoke(b'{"x": 1, "next": {"x": 2}}', Codec.JSON, Context()) == Point(1, [], Point(2))
    assert breaches(target, b'{"x": "q", "next": {"y": [null]}}') == {
        ("/x", "must be an integer"),
        ("/next/x", "is required but missing"),
        ("/next/y/0", "must be an integer"),
    }


def test_a_record_with_a_default_is_a_parameter_like_others() -> None:
    def target(p: Point = Point(1)) -> Point:  # noqa: B008 - what is tested
        return p

    assert bind(target).invoke(b"{}", Codec.JSON) == Point(1)
    assert bind(target).invoke(b'{"p": {"x": 2}}', Codec.JSON) == Point(2)


def test_a_value_error_of_a_record_is_a_breach_and_another_error_its_own() -> None:
    def target(p: Point, q: int) -> None: ...

    assert breaches(target, b'{"p": {"x": 13}, "q": 1}') == {("/p", "unlucky")}
    with pytest.raises(KeyError):
        bind(target).invoke(b'{"p": {"x": 14}, "q": 1}', Codec.JSON)


def test_numbers_that_json_does_not_tell_apart_are_integers() -> None:
    def target(a: int) -> Any:
        return a

    assert bind(target).invoke(b'{"a": 1.0}', Codec.JSON) == 1
    assert bind(target).invoke(b'{"a": 18446744073709551617}', Codec.JSON) == 2**64 + 1


def test_what_only_the_schema_says_is_checked_too() -> None:
    def target(a: datetime) -> datetime:
        return a

    assert breaches(target, b'{"a": "2020-01-01T00:00:00"}') == {
        ("/a", "is not a valid date-time: write it with its offset, as in 2026-01-31T12:00:00Z")
    }
    assert bind(target).invoke(b'{"a": "2020-01-01T00:00:00Z"}', Codec.JSON).year == 2020


class Wide(msgspec.Struct):
    id: Annotated[int, msgspec.Meta(ge=0, le=2**64 - 1)]


@pytest.mark.parametrize("codec", [Codec.JSON, Codec.MSGPACK])
def test_bounds_past_64_bits_are_checked_in_parameters_and_records(codec: Codec) -> None:
    def target(n: Annotated[int, msgspec.Meta(ge=0, le=2**64 - 1)], rows: list[Wide]) -> int:
        return n + rows[0].id

    encode = msgspec.json.encode if codec is Codec.JSON else msgspec.msgpack.encode
    assert bind(target).contract.input["properties"]["n"] == {"type": "integer", "minimum": 0, "maximum": 2**64 - 1}
    assert bind(target).invoke(encode({"n": 2**64 - 1, "rows": [{"id": 2**64 - 1}]}), codec) == 2**65 - 2
    assert {path for path, _ in breaches(target, encode({"n": -1, "rows": [{"id": -1}]}), codec)} == {
        "/n",
        "/rows/0/id",
    }


def test_raw_bytes_reach_a_single_parameter_of_bytes() -> None:
    def target(data: bytes, ctx: Context) -> bytes:
        assert isinstance(ctx, Context)
        return data[::-1]

    binding = bind(target)
    assert binding.contract.raw_input
    assert binding.contract.raw_output
    assert binding.contract.input["properties"]["data"] == {"type": "string", "contentEncoding": "base64"}
    assert binding.invoke(memoryview(b"ab"), Codec.BYTES, Context()) == b"ba"
    assert binding.invoke(b'{"data": "YWI="}', Codec.JSON, Context()) == b"ba"
    assert binding.invoke(msgspec.msgpack.encode({"data": b"ab"}), Codec.MSGPACK, Context()) == b"ba"
    assert binding.encode(b"\0", Codec.BYTES) == b"\0"
    assert binding.encode(b"\0", Codec.JSON) == b'"AA=="'


def test_a_length_holds_for_raw_bytes_too() -> None:
    def target(data: Annotated[bytes, msgspec.Meta(max_length=2)]) -> int:
        return len(data)

    assert bind(target).invoke(b"ab", Codec.BYTES) == 2
    assert breaches(target, b"abc", Codec.BYTES) == {("/data", "Expected `bytes` of length <= 2")}


def test_generators_stream_and_say_the_type_of_an_item() -> None:
    def numbers() -> Iterator[int]:
        yield 1

    def pulled() -> Generator[int, None, str]:
        yield 1
        return ""

    def loose() -> Iterable[int]:
        yield 1

    def handed() -> Iterator[int]:
        return iter([1])

    async def later() -> AsyncIterator[int]:
        yield 1

    bindings = [bind(target) for target in (numbers, pulled, loose, handed, later)]
    assert [binding.contract.output for binding in bindings] == [{"type": "integer"}] * 5
    assert all(binding.is_stream and binding.contract.streaming for binding in bindings)
    assert [binding.is_async for binding in bindings] == [False] * 4 + [True]
    assert list(bindings[0].invoke(b"", Codec.JSON)) == [1]


def test_an_iterable_that_is_returned_is_a_list() -> None:
    def target() -> Iterable[int]:
        return (n for n in [1, 2])

    binding = bind(target)
    assert not binding.is_stream
    assert binding.encode(binding.invoke(b"", Codec.JSON), Codec.JSON) == b"[1,2]"


def test_a_function_that_never_returns_has_a_contract() -> None:
    def fails(a: int) -> NoReturn:
        raise ValueError(a)

    def fails_too(a: int) -> Never:
        raise ValueError(a)

    assert [bind(target).contract.output for target in (fails, fails_too)] == [{}, {}]


def test_a_pattern_that_the_checker_cannot_run_is_refused_at_once() -> None:
    def target(a: Annotated[str, msgspec.Meta(pattern="^(?=x)")]) -> str:
        return a

    with pytest.raises(ContractError, match="patterns may not look around"):
        bind(target)


def test_a_coroutine_function_gives_an_awaitable() -> None:
    async def target(a: int) -> int:
        return a

    binding = bind(target)
    assert binding.is_async
    assert asyncio.run(binding.invoke(b'{"a": 1}', Codec.JSON)) == 1


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (lambda *args: args, r"\*args"),
        (lambda **options: options, r"\*\*options"),
    ],
)
def test_a_parameter_without_a_name_of_its_own_is_refused(target: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        bind(target, marker=Marker(name="f"))


@pytest.mark.parametrize(
    "kind", [socket.socket, Callable, Callable[[int], int], complex, type, list[socket.socket], dict[tuple[int], int]]
)
def test_a_type_that_is_no_contract_is_refused_by_name(kind: Any) -> None:
    def target(a: Any) -> None: ...

    target.__annotations__["a"] = kind
    with pytest.raises(ContractError, match=r"function target: parameter `a`: type .* cannot be part of a contract"):
        bind(target)


def test_a_result_or_field_that_is_no_contract_is_refused_by_name() -> None:
    def takes(a: Holder) -> None: ...
    def gives() -> socket.socket: ...

    with pytest.raises(ContractError, match=r"parameter `a`: type socket.socket \(in .*Holder.inner\)"):
        bind(takes)
    with pytest.raises(ContractError, match=r"its result: type socket\.socket"):
        bind(gives)


def test_an_annotation_that_names_nothing_is_refused() -> None:
    def target(a: Nowhere) -> None: ...  # noqa: F821 - what is tested

    with pytest.raises(ContractError, match=r"'Nowhere' is not defined.*TYPE_CHECKING"):
        bind(target)


@pytest.mark.parametrize(
    ("value", "codec", "message"),
    [
        ({"a": [socket]}, Codec.JSON, "at /a/0"),
        (math.nan, Codec.JSON, "NaN"),
        (2**70, Codec.MSGPACK, "64 bits"),
        ("\ud800", Codec.JSON, "surrogate"),
        ([10**5000], Codec.JSON, "int"),
    ],
)
def test_a_result_that_cannot_be_written_is_a_clear_fault(value: object, codec: Codec, message: str) -> None:
    with pytest.raises(Unknown, match=f"add returned .*{message}") as caught:
        bind(add).encode(value, codec)
    assert caught.value.started is Started.YES


@pytest.mark.parametrize("codec", [Codec.BYTES, Codec.ARROW])
def test_raw_output_of_something_else_is_unimplemented(codec: Codec) -> None:
    with pytest.raises(Unimplemented, match="no raw output") as caught:
        bind(add).encode(1.5, codec)
    assert caught.value.started is Started.YES


def test_a_frame_under_a_matrix_annotation_is_rows() -> None:
    class Frame:
        def to_numpy(self) -> Any:
            return self.Values()

        def to_dict(self, _orient: str) -> Any:
            return [{"a": 1}]

        class Values:
            def tolist(self) -> list[list[int]]:
                return [[1]]

    def matrix() -> list[list[float]]: ...
    def records() -> list[dict[str, float]]: ...

    assert bind(matrix).encode(Frame(), Codec.JSON) == b"[[1]]"
    assert bind(records).encode(Frame(), Codec.JSON) == b'[{"a":1}]'


def test_a_pydantic_model_is_a_record_where_there_is_pydantic() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Item(pydantic.BaseModel):
        name: str
        price: Annotated[float, pydantic.Field(gt=0)]

    def target(item: Any) -> Any:
        return item

    target.__annotations__ = {"item": Item, "return": Item}
    binding = bind(target)
    item = binding.invoke(b'{"name": "a", "price": 1}', Codec.JSON)
    assert isinstance(item, Item)
    assert binding.encode(item, Codec.JSON) == b'{"name":"a","price":1.0}'
    assert {path for path, _ in breaches(target, b'{"name": 1, "price": 0, "zz": 1}')} == {"/name", "/price", "/zz"}


def test_numpy_results_are_plain_where_there_is_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    value = {
        "a": numpy.arange(4).reshape(2, 2),
        "b": numpy.float64(1.5),
        "c": numpy.datetime64("2020-01-01T00:00:00", "ns"),
    }
    assert json.loads(bind(add).encode(value, Codec.JSON)) == {
        "a": [[0, 1], [2, 3]],
        "b": 1.5,
        "c": "2020-01-01T00:00:00",
    }


@given(st.fixed_dictionaries({}, optional={"a": st.none() | st.integers() | st.text(max_size=3), "b": st.floats()}))
def test_the_decoder_and_the_schema_agree(value: dict[str, Any]) -> None:
    def target(a: int | None, b: float = 1.0) -> None: ...

    binding = bind(target)
    body = msgspec.json.encode(value)
    try:
        binding.invoke(body, Codec.JSON)
        ran = True
    except Fault:
        ran = False
    assert ran == Checker(binding.contract.input).valid(json.loads(body))


def test_importing_the_binder_imports_nothing_heavy() -> None:
    script = "import sys, dragoman.contract.signature as s\n"
    script += "print([m for m in ('jsonschema_rs', 'pydantic', 'numpy', 'asyncio', 'socket') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_breaches_are_values_that_compare() -> None:
    assert Breach("/a", "x") == ("/a", "x")


def test_a_direct_call_is_the_same_call() -> None:
    direct = bind(add).direct(Codec.JSON, Codec.MSGPACK)
    assert direct is not None
    assert direct.encode(direct.invoke(b'{"a": 1}')) == msgspec.msgpack.encode(3.0)
    assert direct.wanted is Codec.MSGPACK
    with pytest.raises(InvalidArgument) as caught:
        direct.invoke(b'{"a": "x", "c": 1}')
    assert {breach.path for breach in caught.value.errors} == {"/a", "/c"}


def test_what_needs_another_check_or_form_has_no_direct_call() -> None:
    def moment(at: datetime) -> None: ...
    def record(it: Point) -> None: ...
    def matrix() -> list[list[float]]: ...

    for target in (moment, record, matrix):
        assert bind(target).direct(Codec.JSON, Codec.JSON) is None
