from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest

from dragoman.core.call import Codec, Trace
from dragoman.core.fault import (
    Code,
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    Fault,
    InvalidArgument,
    OutOfRange,
    Overloaded,
    Started,
    StartFailed,
    Unavailable,
)
from tests.host.projects import ask
from tests.upstream.conftest import Open
from tests.upstream.services import Exchange, Service, call


def api(paths: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths, **more}


def described(schema: dict[str, Any], media: str = "application/json") -> dict[str, Any]:
    return {"200": {"description": "ok", "content": {media: {"schema": schema}}}}


async def failing(host: Any, function: str = "it", timeout_s: float | None = None, **parameters: Any) -> Fault:
    with pytest.raises(Fault) as raised:
        await ask(host, function, timeout_s, **parameters)
    assert raised.value.function == function
    return raised.value


async def test_a_url_is_one_function_called_by_the_sources_name(service: Service, opened: Open) -> None:
    async with opened(f'url = "{service.url}/do/it"') as host:
        assert await ask(host, "it", n=2**63, text="ä", nested={"a": [1.5, None]}) == {
            "n": 2**63,
            "text": "ä",
            "nested": {"a": [1.5, None]},
        }
    (request,) = service.requests
    assert (request.method, request.path, request.headers["content-type"]) == ("POST", "/do/it", "application/json")
    assert request.headers["accept-encoding"] == "identity"


async def test_a_declared_input_is_checked_before_anything_is_sent(service: Service, opened: Open) -> None:
    async with opened(f'url = "{service.url}"\ninput = {{ n = {{ type = "integer", default = 5 }} }}') as host:
        fault = await failing(host, n="five")
        assert (fault.code, fault.started, fault.errors[0].path) == (Code.INVALID_ARGUMENT, Started.NO, "/n")
        assert service.requests == []
        assert await ask(host, "it") == {"n": 5}


async def test_headers_of_the_project_deadline_trace_and_call_id_go_along(service: Service, opened: Open) -> None:
    async with opened(f'url = "{service.url}"\nheaders = {{ Authorization = "Bearer x", User-Agent = "us" }}') as host:
        entry = host.registry.find("it")
        asked = host.call(entry.target, b"{}", Codec.JSON, Codec.JSON, 5.0)
        asked.trace = Trace(bytes(range(16)), bytes(range(8)), 1, "a=b")
        await entry.service(asked)
    headers = service.requests[0].headers
    assert headers["authorization"] == "Bearer x"
    assert headers["user-agent"] == "us"
    assert headers["traceparent"] == f"00-{bytes(range(16)).hex()}-{bytes(range(8)).hex()}-01"
    assert headers["tracestate"] == "a=b"
    assert headers["dragoman-call-id"].endswith(f"{asked.id:08x}")
    assert 4000 < int(headers["dragoman-timeout"].removesuffix("ms")) <= 5000


async def test_a_connection_is_used_again_and_no_cookie_is_kept(service: Service, opened: Open) -> None:
    peers: list[str] = []

    async def respond(exchange: Exchange) -> None:
        peers.append(exchange.headers.get("cookie", ""))
        await exchange.answer(b"1", set_cookie="who=me")

    service.respond = respond
    async with opened(f'url = "{service.url}"') as host:
        for _ in range(3):
            assert await ask(host, "it") == 1
    assert peers == ["", "", ""]


@pytest.mark.parametrize(
    ("status", "code", "started"),
    [
        (400, Code.INVALID_ARGUMENT, Started.UNKNOWN),
        (401, Code.UNAUTHENTICATED, Started.NO),
        (403, Code.PERMISSION_DENIED, Started.UNKNOWN),
        (404, Code.NOT_FOUND, Started.UNKNOWN),
        (409, Code.ABORTED, Started.UNKNOWN),
        (418, Code.FAILED_PRECONDITION, Started.UNKNOWN),
        (422, Code.INVALID_ARGUMENT, Started.UNKNOWN),
        (429, Code.RESOURCE_EXHAUSTED, Started.NO),
        (499, Code.CANCELLED, Started.UNKNOWN),
        (500, Code.UNKNOWN, Started.UNKNOWN),
        (501, Code.UNIMPLEMENTED, Started.NO),
        (502, Code.UNAVAILABLE, Started.UNKNOWN),
        (503, Code.UNAVAILABLE, Started.UNKNOWN),
        (504, Code.DEADLINE_EXCEEDED, Started.UNKNOWN),
        (599, Code.UNKNOWN, Started.UNKNOWN),
    ],
)
async def test_each_status_is_a_code(service: Service, opened: Open, status: int, code: Code, started: Started) -> None:
    async def respond(exchange: Exchange) -> None:
        await exchange.answer_json({"error": {"message": "too bad"}}, status, retry_after="7")

    service.respond = respond
    async with opened(f'url = "{service.url}"') as host:
        fault = await failing(host)
    assert (fault.code, fault.started, fault.retry_after_s) == (code, started, 7.0)
    assert str(status) in fault.detail
    assert "too bad" in fault.detail


async def test_a_problem_document_is_taken_over(service: Service, opened: Open) -> None:
    problem = {
        "type": "about:blank",
        "title": "No",
        "detail": "n is odd",
        "code": "OUT_OF_RANGE",
        "started": "yes",
        "errors": [{"path": "/n", "message": "is odd"}],
        "call_id": "theirs",
        "function": "theirs",
    }

    async def respond(exchange: Exchange) -> None:
        await exchange.answer_json(problem, 400, content_type="application/problem+json")

    service.respond = respond
    async with opened(f'url = "{service.url}"') as host:
        fault = await failing(host)
    assert (fault.code, fault.started, fault.detail) == (Code.OUT_OF_RANGE, Started.YES, "n is odd")
    assert fault.errors == (("/n", "is odd"),)
    assert fault.call_id == ""


async def test_a_service_that_is_not_there_was_never_called(opened: Open, service: Service) -> None:
    async with opened('url = "http://127.0.0.1:9"') as host:
        fault = await failing(host)
    assert (fault.code, fault.started, fault.retryable) == (Code.UNAVAILABLE, Started.NO, True)
    assert "127.0.0.1:9" in fault.detail


async def test_a_timeout_abandons_the_request(service: Service, opened: Open) -> None:
    gone = asyncio.Event()

    async def respond(exchange: Exchange) -> None:
        await exchange.left()
        gone.set()

    service.respond = respond
    async with opened(f'url = "{service.url}"\ntimeout = "100ms"') as host:
        fault = await failing(host)
        assert isinstance(fault, DeadlineExceeded)
        assert fault.started is Started.UNKNOWN
        await asyncio.wait_for(gone.wait(), 5)


async def test_a_call_that_waits_in_line_until_its_deadline_never_ran(service: Service, opened: Open) -> None:
    came = asyncio.Event()

    async def respond(exchange: Exchange) -> None:
        came.set()
        await exchange.left()

    service.respond = respond
    async with opened(f'url = "{service.url}"\nconcurrency = 1\nqueue = 1') as host:
        first = asyncio.ensure_future(ask(host, "it"))
        await asyncio.wait_for(came.wait(), 5)
        fault = await failing(host, timeout_s=0.05)
        assert (fault.code, fault.started) == (Code.DEADLINE_EXCEEDED, Started.NO)
        second = asyncio.ensure_future(ask(host, "it"))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await ask(host, "it")
        for task in (first, second):
            task.cancel()
        await asyncio.wait((first, second))
    assert len(service.requests) == 1


async def test_cancelling_a_call_closes_its_request(service: Service, opened: Open) -> None:
    gone, came = asyncio.Event(), asyncio.Event()

    async def respond(exchange: Exchange) -> None:
        came.set()
        await exchange.left()
        gone.set()

    service.respond = respond
    async with opened(f'url = "{service.url}"') as host:
        task = asyncio.ensure_future(ask(host, "it"))
        await asyncio.wait_for(came.wait(), 5)
        task.cancel()
        await asyncio.wait((task,))
        await asyncio.wait_for(gone.wait(), 5)


async def test_a_slow_trickle_does_not_outlive_the_deadline(service: Service, opened: Open) -> None:
    async def respond(exchange: Exchange) -> None:
        await exchange.start(content_type="application/json")
        trickle = asyncio.ensure_future(exchange.left())
        while not trickle.done():
            await exchange.write(b" ")
            await asyncio.wait((trickle,), timeout=0.01)

    service.respond = respond
    async with opened(f'url = "{service.url}"\ntimeout = "200ms"') as host:
        assert (await failing(host)).code is Code.DEADLINE_EXCEEDED


async def test_a_head_that_trickles_in_does_not_outlive_the_deadline(opened: Open) -> None:
    gone = asyncio.Event()

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        left = asyncio.ensure_future(reader.read())
        while not left.done():
            writer.write(b"x: y\r\n")
            await asyncio.wait((left,), timeout=0.01)
        writer.close()
        gone.set()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, opened(f'url = "{url}"\ntimeout = "200ms"') as host:
        assert (await failing(host)).code is Code.DEADLINE_EXCEEDED
        await asyncio.wait_for(gone.wait(), 5)


async def test_a_reply_that_is_too_large_is_stopped(service: Service, opened: Open) -> None:
    async def respond(exchange: Exchange) -> None:
        await exchange.start(content_type="application/json")
        gone = asyncio.ensure_future(exchange.left())
        while not gone.done():
            await exchange.write(b" " * 65536)
        gone.result()

    service.respond = respond
    async with opened(f'url = "{service.url}"\noutput_max = "1MB"') as host:
        fault = await failing(host)
    assert isinstance(fault, OutOfRange)
    assert "output_max" in fault.detail


@pytest.mark.parametrize("body", [b"{", b"<html>", b'{"a":1,"a":2}', b"\xff", b"1 2", b"[" * 100_000])
async def test_garbage_is_data_loss(service: Service, opened: Open, body: bytes) -> None:
    async def respond(exchange: Exchange) -> None:
        await exchange.answer(body)

    service.respond = respond
    async with opened(f'url = "{service.url}"') as host:
        fault = await failing(host)
    assert isinstance(fault, DataLoss)
    assert fault.started is Started.YES


async def test_a_compressed_reply_was_not_asked_for(service: Service, opened: Open) -> None:
    async def respond(exchange: Exchange) -> None:
        await exchange.answer(gzip.compress(b"1"), content_encoding="gzip")

    service.respond = respond
    async with opened(f'url = "{service.url}"') as host:
        assert isinstance(await failing(host), DataLoss)


async def test_text_bytes_and_nothing_are_replies_too(service: Service, opened: Open) -> None:
    answers = iter(
        [("text/plain; charset=latin-1", "ä".encode("latin-1")), ("image/png", b"\x00\x01"), ("application/json", b"")]
    )

    async def respond(exchange: Exchange) -> None:
        media, body = next(answers)
        await exchange.answer(body, content_type=media)

    service.respond = respond
    async with opened(f'url = "{service.url}"') as host:
        assert [await ask(host, "it") for _ in range(3)] == ["ä", b"\x00\x01", None]


async def test_a_connection_that_breaks_may_have_run(opened: Open) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server, opened(f'url = "http://127.0.0.1:{server.sockets[0].getsockname()[1]}"') as host:
        fault = await failing(host)
    assert isinstance(fault, Unavailable)
    assert fault.started is Started.UNKNOWN


async def test_what_is_no_http_is_unavailable(opened: Open) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp ready\r\n" * 10)
        writer.close()

    server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    async with server, opened(f'url = "http://127.0.0.1:{server.sockets[0].getsockname()[1]}"') as host:
        assert (await failing(host)).code is Code.UNAVAILABLE


async def test_redirects_stay_on_the_host(service: Service, opened: Open) -> None:
    async def respond(exchange: Exchange) -> None:
        if exchange.path == "/a":
            await exchange.answer(status=307, location="/b")
        elif exchange.path == "/away":
            await exchange.answer(status=307, location="http://localhost:1/b")
        elif exchange.path == "/bad":
            await exchange.answer(status=307, location="http://[/b")
        elif exchange.path == "/see":
            await exchange.answer(status=303, location="/b")
        elif exchange.path == "/round":
            await exchange.answer(status=308, location="/round")
        else:
            await exchange.answer(exchange.body)

    service.respond = respond
    async with opened(f'url = "{service.url}/a"') as host:
        assert await ask(host, "it", n=1) == {"n": 1}
    for path, word in (("away", "localhost:1"), ("bad", "http://["), ("see", "303"), ("round", "3 times")):
        async with opened(f'url = "{service.url}/{path}"') as host:
            fault = await failing(host)
            assert isinstance(fault, FailedPrecondition)
            assert word in fault.detail


async def test_lines_and_events_stream_as_they_come(service: Service, opened: Open) -> None:
    gate = asyncio.Event()

    async def respond(exchange: Exchange) -> None:
        await exchange.start(content_type=exchange.json["media"])
        await exchange.write(exchange.json["first"].encode())
        await gate.wait()
        await exchange.write(exchange.json["rest"].encode(), more=False)

    service.respond = respond
    async with opened(f'url = "{service.url}"\nstreaming = true') as host:
        for media, first, rest in (
            ("application/jsonl", '{"n":1}\n{"n"', ":2}\n\n3"),
            ("text/event-stream", ': hello\n\ndata: {"n":1}\n\ndata: {"n"', ":2}\n\nevent: x\ndata: 3\n\ndata: cut"),
        ):
            gate.clear()
            reply = await call(host, "it", media=media, first=first, rest=rest)
            assert reply.items is not None
            items = aiter(reply.items)
            assert await anext(items) == b'{"n":1}'
            gate.set()
            assert [item async for item in items] == [b'{"n":2}', b"3"]


async def test_a_stream_fails_where_it_fails(service: Service, opened: Open) -> None:
    fault = json.dumps({"code": "ABORTED", "detail": "enough", "started": "yes"})
    bodies = {
        "broken": ("application/jsonl", b"1\n{\n", Code.DATA_LOSS),
        "told": ("text/event-stream", f"data: 1\n\nevent: fault\ndata: {fault}\n\n".encode(), Code.ABORTED),
        "large": ("application/jsonl", b"1\n" + b" " * 3000, Code.OUT_OF_RANGE),
    }

    async def respond(exchange: Exchange) -> None:
        media, body, _ = bodies[exchange.json["which"]]
        await exchange.answer(body, content_type=media)

    service.respond = respond
    async with opened(f'url = "{service.url}"\nstreaming = true\noutput_max = "2KB"') as host:
        for which, (_, _, code) in bodies.items():
            reply = await call(host, "it", which=which)
            assert reply.items is not None
            items = aiter(reply.items)
            assert await anext(items) == b"1"
            with pytest.raises(Fault) as raised:
                await anext(items)
            assert raised.value.code is code


async def test_a_stream_ends_at_its_deadline_and_closing_it_closes_the_request(service: Service, opened: Open) -> None:
    gone: asyncio.Queue[None] = asyncio.Queue()

    async def respond(exchange: Exchange) -> None:
        await exchange.start(content_type="application/jsonl")
        await exchange.write(b"1\n")
        await exchange.left()
        gone.put_nowait(None)

    service.respond = respond
    async with opened(f'url = "{service.url}"\nstreaming = true') as host:
        reply = await call(host, "it", 0.2)
        assert reply.items is not None
        with pytest.raises(DeadlineExceeded):
            [item async for item in reply.items]
        await asyncio.wait_for(gone.get(), 5)
        reply = await call(host, "it")
        assert reply.items is not None
        assert await anext(aiter(reply.items)) == b"1"
        await reply.items.aclose()
        await asyncio.wait_for(gone.get(), 5)


async def test_streams_and_single_values_stand_in_for_one_another(service: Service, opened: Open) -> None:
    async def respond(exchange: Exchange) -> None:
        if exchange.json["lines"]:
            await exchange.answer(b"1\n2\n", content_type="application/jsonl")
        else:
            await exchange.answer(b"[1,\n {}]")

    service.respond = respond
    async with opened(f'url = "{service.url}"') as host:
        assert await ask(host, "it", lines=True) == [1, 2]
    async with opened(f'url = "{service.url}"\nstreaming = true') as host:
        assert await ask(host, "it", lines=False) == [1, {}]


async def test_every_place_of_an_operation_is_filled(service: Service, opened: Open) -> None:
    async def respond(exchange: Exchange) -> None:
        await exchange.answer_json({"path": exchange.path, "query": exchange.query, "body": exchange.body.decode()})

    service.respond = respond
    parameters = [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "id", "in": "query", "schema": {"type": "integer"}},
        {"name": "tags", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
        {"name": "X-Key", "in": "header", "schema": {"type": "string"}},
        {"name": "session", "in": "cookie", "schema": {"type": "string"}},
    ]
    body = {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", "properties": {"n": {"type": "integer"}}}}},
    }
    document = api(
        {"/users/{id}": {"put": {"operationId": "put", "parameters": parameters, "requestBody": body, "responses": {}}}}
    )
    async with opened(f'openapi = "api.json"\nurl = "{service.url}/v1/"', document) as host:
        contract = host.registry.find("it.put").contract
        assert list(contract.input["properties"]) == ["id_path", "id_query", "tags", "X-Key", "session", "n"]
        assert contract.idempotent
        sent: dict[str, Any] = {
            "id_path": "a/b c",
            "id_query": 7,
            "tags": ["x&y", "z"],
            "X-Key": "k",
            "session": "s;",
            "n": 1,
            "more": 2,
        }
        assert await ask(host, "it.put", **sent) == {
            "path": "/v1/users/a%2Fb%20c",
            "query": "id=7&tags=x%26y&tags=z",
            "body": '{"n":1,"more":2}',
        }
        headers = service.requests[0].headers
        assert (headers["x-key"], headers["cookie"]) == ("k", "session=s%3B")
        refused: list[dict[str, Any]] = [{"id_path": ".."}, {"id_path": "x", "X-Key": "a\r\nb: c"}, {"id_path": ""}]
        for wrong in refused:
            fault = await failing(host, "it.put", **wrong)
            assert isinstance(fault, InvalidArgument)
            assert fault.started is Started.NO
        assert len(service.requests) == 1


async def test_bytes_go_and_come_as_they_are(service: Service, opened: Open) -> None:
    async def respond(exchange: Exchange) -> None:
        await exchange.answer(exchange.body, content_type="application/octet-stream")

    service.respond = respond
    raw: dict[str, Any] = {"application/octet-stream": {"schema": {}}}
    document = api({"/raw": {"post": {"requestBody": {"content": raw}, "responses": {"200": {"content": raw}}}}})
    async with opened(f'openapi = "api.json"\nurl = "{service.url}"', document) as host:
        assert await ask(host, "it.post_raw", body=b"\x00\xff") == b"\x00\xff"
        assert service.requests[0].headers["content-type"] == "application/octet-stream"


async def test_a_page_where_json_was_promised_is_no_reply(service: Service, opened: Open) -> None:
    async def respond(exchange: Exchange) -> None:
        await exchange.answer(b"<html>log in</html>", content_type="text/html")

    service.respond = respond
    document = api({"/a": {"get": {"operationId": "a", "responses": described({})}}})
    async with opened(f'openapi = "api.json"\nurl = "{service.url}"', document) as host:
        fault = await failing(host, "it.a")
    assert isinstance(fault, DataLoss)
    assert "text/html" in fault.detail


async def test_a_document_is_fetched_and_its_servers_believed(service: Service, opened: Open) -> None:
    document = api({"/a": {"get": {"operationId": "a", "responses": described({})}}}, servers=[{"url": "/v2"}])

    async def respond(exchange: Exchange) -> None:
        await exchange.answer_json(document if exchange.path == "/spec/openapi.json" else exchange.path)

    service.respond = respond
    async with opened(f'openapi = "{service.url}/spec/openapi.json"') as host:
        assert await ask(host, "it.a") == "/v2/a"


@pytest.mark.parametrize(
    ("status", "body", "word"),
    [(404, b"{}", "404"), (200, b"<html>", "not valid JSON"), (200, b"{}", "no OpenAPI"), (200, b"[]", "object")],
)
async def test_a_document_that_is_none_keeps_the_source_from_starting(
    service: Service, opened: Open, status: int, body: bytes, word: str
) -> None:
    async def respond(exchange: Exchange) -> None:
        await exchange.answer(body, status)

    service.respond = respond
    with pytest.raises(StartFailed, match=word):
        async with opened(f'openapi = "{service.url}/openapi.json"'):
            raise AssertionError


async def test_a_source_is_put_in_service_once_its_document_can_be_had(
    service: Service, opened: Open, tmp_path: Any
) -> None:
    from tests.host.projects import hosting  # noqa: PLC0415 - the one test that starts by failing

    document = api({"/a": {"get": {"operationId": "a", "responses": {}}}})
    tries = 0

    async def respond(exchange: Exchange) -> None:
        nonlocal tries
        tries += 1
        await exchange.answer_json(document if tries > 1 else {}, 200 if tries > 1 else 503)

    service.respond = respond
    (tmp_path / "dragoman.toml").write_text(f'[sources.it]\nopenapi = "{service.url}/api"\n')
    async with hosting(tmp_path) as host:
        faults = await host.start()
        assert "503" in faults["it"].detail
        ready = asyncio.Event()
        host.registry.on_change.append(lambda _: ready.set())
        await asyncio.wait_for(ready.wait(), 5)
        assert "it.a" in host.registry.entries
        assert host.ready()[0]
