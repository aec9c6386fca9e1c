"""gRPC services as functions: every kind of call and of value, and everything that can go wrong on the way."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Any

import psutil
import pytest

from dragoman.core.call import Codec, Trace
from dragoman.core.fault import Code, Fault, Started, StartFailed
from tests.host.projects import ask
from tests.upstream.conftest import Open
from tests.upstream.rpc.shops import HERE, Shop, selling
from tests.upstream.services import call

EVERYTHING: dict[str, Any] = {
    "i32": -(2**31),
    "i64": -(2**63),
    "u64": 2**64 - 1,
    "d": 0.1,
    "f": 1.5,
    "b": True,
    "s": "ä🙂",
    "raw": "AP8=",
    "color": "RED",
    "many": [2**53 + 1, -1],
    "counts": {"a": 2**62},
    "children": {"7": {"i64": 2**60}},
    "self": {"s": "inner"},
    "right": 2**61,
    "maybe": 0,
    "at": "2026-01-31T23:59:59.123456789Z",
    "took": "PT1.5S",
    "free": {"a": [1, None, {"b": "c"}]},
    "any_json": [True],
    "boxed": 2**63 - 1,
    "mask": "a,bC",
    "any": {"@type": "type.googleapis.com/acme.shop.v1.Number", "number": "5"},
    "camelCase": "kept",
}


@pytest.fixture
async def shop() -> AsyncGenerator[Shop]:
    async with selling() as shop:
        yield shop


async def failing(host: Any, function: str, timeout_s: float | None = None, **parameters: Any) -> Fault:
    with pytest.raises(Fault) as raised:
        await ask(host, function, timeout_s, **parameters)
    assert raised.value.function == function
    return raised.value


def said(value: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    return {key: value[key] for key in sent}


async def test_a_server_tells_what_it_offers(shop: Shop, opened: Open) -> None:
    async with opened(f'grpc = "{shop.url}"') as host:
        found = {name: host.registry.find(name).contract for name in host.registry.entries}
        assert sorted(found) == [
            *("it.Ask", "it.Count", "it.Double", "it.Later", "it.Nothing", "it.Other_Echo", "it.Shop_Echo", "it.Sum"),
        ]
        assert (found["it.Count"].streaming, found["it.Count"].input_stream) == (True, "")
        assert (found["it.Sum"].streaming, found["it.Sum"].input_stream) == (False, "requests")
        assert found["it.Ask"].idempotent
        assert not found["it.Sum"].idempotent


async def test_every_kind_of_value_goes_out_and_comes_back(shop: Shop, opened: Open) -> None:
    async with opened(f'grpc = "{shop.url}"') as host:
        answer = await ask(host, "it.Shop_Echo", **EVERYTHING)
        inner = answer["children"]["7"]
        assert said(inner, {"i64": 0, "s": 0, "many": 0}) == {"i64": 2**60, "s": "", "many": []}
        answer["children"], answer["self"] = {"7": {"i64": inner["i64"]}}, {"s": answer["self"]["s"]}
        assert answer.pop("any")["@type"].endswith("Number")
        assert answer == {key: value for key, value in EVERYTHING.items() if key != "any"}
        assert "left" not in answer
        assert "maybe" not in await ask(host, "it.Shop_Echo")
        assert await ask(host, "it.Later", value="-PT0.5S") == "1970-01-01T00:00:01.000000002Z"
        assert await ask(host, "it.Nothing") == {}


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"i32": 2**31}, "/i32"),
        ({"u64": -1}, "/u64"),
        ({"i64": 2**63}, "/i64"),
        ({"i64": 1.5}, "/i64"),
        ({"color": "BLUE"}, "/color"),
        ({"left": "a", "right": 1}, ""),
        ({"nosuch": 1}, ""),
        ({"many": 1}, "/many"),
        ({"self": {"self": {"b": 1}}}, "/self/self/b"),
    ],
)
async def test_what_is_no_such_message_is_refused_here(shop: Shop, opened: Open, wrong: Any, path: str) -> None:
    async with opened(f'grpc = "{shop.url}"') as host:
        fault = await failing(host, "it.Shop_Echo", **wrong)
    assert (fault.code, fault.started) == (Code.INVALID_ARGUMENT, Started.NO)
    assert any(breach.path.startswith(path) for breach in fault.errors)


@pytest.mark.parametrize(
    "wrong",
    [
        {"raw": "?"},
        {"at": "yesterday"},
        {"took": "soon"},
        {"children": {"x": {}}},
        {"any": {"@type": "x"}},
        {"f": 1e300},
    ],
)
async def test_what_only_the_mapping_can_tell_is_refused_too(shop: Shop, opened: Open, wrong: Any) -> None:
    async with opened(f'grpc = "{shop.url}"') as host:
        fault = await failing(host, "it.Shop_Echo", **wrong)
    assert (fault.code, fault.started) == (Code.INVALID_ARGUMENT, Started.NO)


async def test_deadline_trace_call_id_and_metadata_go_along(shop: Shop, opened: Open) -> None:
    async with opened(f'grpc = "{shop.url}"\nheaders = {{ Authorization = "Bearer x" }}') as host:
        entry = host.registry.find("it.Shop_Echo")
        asked = host.call(entry.target, b"{}", Codec.JSON, Codec.JSON, 5.0)
        asked.trace = Trace(bytes(range(16)), bytes(range(8)), 1, "a=b")
        await entry.service(asked)
    assert shop.metadata["authorization"] == "Bearer x"
    assert shop.metadata["traceparent"] == f"00-{bytes(range(16)).hex()}-{bytes(range(8)).hex()}-01"
    assert shop.metadata["tracestate"] == "a=b"
    assert shop.metadata["dragoman-call-id"].endswith(f"{asked.id:08x}")
    assert shop.remaining is not None
    assert 3 < shop.remaining < 5.1, "the library rounds up"


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.DEADLINE_EXCEEDED])
async def test_a_status_is_a_code(shop: Shop, opened: Open, code: Code) -> None:
    async with opened(f'grpc = "{shop.url}"') as host:
        fault = await failing(host, "it.Ask", how=code.name)
    assert (fault.code, fault.detail) == (code, "so it is")
    assert fault.started is (Started.NO if code in (Code.UNIMPLEMENTED, Code.UNAUTHENTICATED) else Started.UNKNOWN)


async def test_a_call_past_its_deadline_and_a_cancelled_one_are_cancelled_there(shop: Shop, opened: Open) -> None:
    async with opened(f'grpc = "{shop.url}"') as host:
        fault = await failing(host, "it.Ask", 0.2, how="hang")
        assert (fault.code, fault.started) == (Code.DEADLINE_EXCEEDED, Started.UNKNOWN)
        await asyncio.wait_for(shop.gone.wait(), 5)
        shop.gone.clear()
        shop.came.clear()
        task = asyncio.ensure_future(ask(host, "it.Ask", how="hang"))
        await asyncio.wait_for(shop.came.wait(), 5)
        task.cancel()
        await asyncio.wait((task,))
        await asyncio.wait_for(shop.gone.wait(), 5)


async def test_a_stream_comes_item_by_item_and_fails_where_it_fails(shop: Shop, opened: Open) -> None:
    async with opened(f'grpc = "{shop.url}"') as host:
        assert await ask(host, "it.Count", number=2) == [{"number": 0}, {"number": 1}]
        reply = await call(host, "it.Count", number=3)
        assert reply.items is not None
        items = aiter(reply.items)
        assert [json.loads(await anext(items))["number"] for _ in range(3)] == [0, 1, 2]
        with pytest.raises(Fault, match="lost the rest") as raised:
            await anext(items)
        assert raised.value.code is Code.DATA_LOSS


async def test_a_stream_is_given_up_when_it_is_closed_or_out_of_time(shop: Shop, opened: Open) -> None:
    async with opened(f'grpc = "{shop.url}"') as host:
        reply = await call(host, "it.Count", number=10_000_000)
        assert reply.items is not None
        assert await anext(aiter(reply.items)) == b'{"number":0}'
        await reply.items.aclose()
        await asyncio.wait_for(shop.gone.wait(), 5)
        shop.gone.clear()
        fault = await failing(host, "it.Count", 0.2, number=-1)
        assert fault.code is Code.DEADLINE_EXCEEDED
        await asyncio.wait_for(shop.gone.wait(), 5)


async def test_streams_go_in_whole_or_item_by_item(shop: Shop, opened: Open) -> None:
    async with opened(f'grpc = "{shop.url}"') as host:
        assert await ask(host, "it.Sum", requests=[{"number": 1}, {"number": 2**62}]) == {"number": 2**62 + 1}
        assert await ask(host, "it.Double", requests=[{"number": 2}]) == [{"number": 4}]
        gate: asyncio.Queue[Any] = asyncio.Queue()

        async def items() -> AsyncIterator[tuple[Codec, bytes]]:
            while (item := await gate.get()) is not None:
                yield Codec.JSON, item

        entry = host.registry.find("it.Double")
        asked = host.call(entry.target, b"{}", Codec.JSON, Codec.JSON, 20.0)
        asked.input = items()
        reply = await entry.service(asked)
        assert reply.items is not None
        answers = aiter(reply.items)
        for number in (1, 2):
            gate.put_nowait(json.dumps({"number": number}).encode())
            assert json.loads(await asyncio.wait_for(anext(answers), 5)) == {"number": number * 2}
        gate.put_nowait(b'{"number": "x"}')
        with pytest.raises(Fault) as raised:
            await anext(answers)
        assert raised.value.code is Code.INVALID_ARGUMENT


async def test_answers_that_are_garbage_or_too_large_are_faults(shop: Shop, opened: Open) -> None:
    async with opened(f'grpc = "{shop.url}"\noutput_max = "512KB"') as host:
        fault = await failing(host, "it.Ask", how="garbage")
        assert (fault.code, fault.started) == (Code.DATA_LOSS, Started.YES)
        fault = await failing(host, "it.Ask", how="large")
        assert (fault.code, fault.started) == (Code.OUT_OF_RANGE, Started.YES)
        assert "output_max" in fault.detail
        assert await ask(host, "it.Ask", number=1) == {"number": 1}


async def test_numbers_that_json_has_not_are_refused(shop: Shop, opened: Open) -> None:
    async with opened(f'grpc = "{shop.url}"') as host:
        assert (await failing(host, "it.Shop_Echo", any_json=None, boxed=None, d="NaN")).code is Code.INVALID_ARGUMENT


async def test_a_server_that_is_gone_was_never_called(opened: Open, tmp_path: Path) -> None:
    shutil.copy(HERE / "shop.proto", tmp_path)
    async with opened('grpc = "grpc://127.0.0.1:9"\nproto = "shop.proto"') as host:
        fault = await failing(host, "it.Ask")
    assert (fault.code, fault.started, fault.retryable) == (Code.UNAVAILABLE, Started.NO, True)


async def test_what_is_no_grpc_is_unavailable(opened: Open, tmp_path: Path) -> None:
    shutil.copy(HERE / "shop.proto", tmp_path)

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp ready\r\n" * 10)
        writer.close()

    server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, opened(f'grpc = "grpc://127.0.0.1:{port}"\nproto = "shop.proto"') as host:
        assert (await failing(host, "it.Ask", 5.0)).code is Code.UNAVAILABLE


async def test_a_service_is_described_by_a_proto_where_it_does_not_tell(opened: Open, tmp_path: Path) -> None:
    shutil.copy(HERE / "shop.proto", tmp_path)
    address = f"unix:{tmp_path}/shop.sock"
    async with selling(address, reflecting=False):
        with pytest.raises(StartFailed, match="no server reflection"):
            async with opened(f'grpc = "{address}"'):
                raise AssertionError
        async with opened(f'grpc = "{address}"\nproto = "shop.proto"') as host:
            assert await ask(host, "it.Ask", number=7) == {"number": 7}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("bad.proto", "syntax = nonsense", "protoc refuses it.*bad.proto"),
        ("none.proto", 'syntax = "proto3";', "no method"),
        ("lost.proto", 'syntax = "proto3"; import "lost/other.proto";', "lost/other.proto"),
        ("bad.pb", "\x00\x01garbage", "no descriptor set"),
    ],
)
async def test_a_description_that_is_none_keeps_the_source_from_starting(
    opened: Open, tmp_path: Path, name: str, content: str, words: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(StartFailed, match=words):
        async with opened(f'grpc = "grpc://127.0.0.1:9"\nproto = "{name}"'):
            raise AssertionError


async def back(host: Any) -> Any:
    """The answer of a server that is being started again."""
    until = monotonic() + 20
    while True:
        try:
            return await ask(host, "it.Ask", number=8)
        except Fault as fault:
            if fault.code is not Code.UNAVAILABLE or monotonic() > until:
                raise
            await asyncio.sleep(0.05)


async def test_a_status_that_comes_while_messages_go_out_is_not_lost(shop: Shop, opened: Open) -> None:
    shop.closed = True
    async with opened(f'grpc = "{shop.url}"') as host:
        for _ in range(100):
            fault = await failing(host, "it.Sum", requests=[{"number": each} for each in range(20)])
            assert (fault.code, fault.detail) == (Code.FAILED_PRECONDITION, "closed")


async def test_a_server_is_started_waited_for_by_its_health_and_dies(opened: Open) -> None:
    root = Path(__file__).parents[3]
    settings = f"""
        grpc = "grpc://127.0.0.1:{{port}}"
        command = ["{sys.executable}", "-m", "tests.upstream.rpc.shops", "{{port}}"]
        env = {{ PYTHONPATH = "{root}" }}
        health = "grpc"
    """
    async with opened(settings) as host:
        assert await ask(host, "it.Ask", number=7) == {"number": 7}
        hanging = asyncio.ensure_future(failing(host, "it.Ask", how="hang"))
        streaming = await call(host, "it.Count", number=10_000_000)
        (server,) = servers()
        server.kill()
        fault = await hanging
        assert (fault.code, fault.started) == (Code.UNAVAILABLE, Started.UNKNOWN)
        assert streaming.items is not None
        with pytest.raises(Fault) as raised:
            [item async for item in streaming.items]
        assert raised.value.code is Code.UNAVAILABLE
        assert (await back(host)) == {"number": 8}
    assert not servers()


def servers() -> list[psutil.Process]:
    """Those of this test that run."""
    found: list[psutil.Process] = []
    for each in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it, or a zombie of another test, went meanwhile
            if "tests.upstream.rpc.shops" in each.cmdline():
                found.append(each)
    return found
