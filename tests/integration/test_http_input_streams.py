"""Request bodies as input streams, over real HTTP: line by line, both ways, and bounded."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import dragoman
from tests.integration.web import Web, eventually, serving

SOURCE = """
import os, time
from collections.abc import AsyncIterator, Iterator
from dragoman import function

def total(values: Iterator[int], scale: int = 1) -> int:
    return sum(values) * scale

def doubled(values: Iterator[int]) -> Iterator[int]:
    for value in values:
        yield value * 2

def first(values: Iterator[int]) -> int:
    return next(values)

def sizes(parts: Iterator[str]) -> int:
    return sum(map(len, parts))

@function(idempotent=True)
def listed(values: Iterator[int]) -> list[int]:
    return list(values)

def sleepy(parts: Iterator[str], marker: str) -> int:
    next(parts)
    try:
        open(marker + ".begun", "w").close()
        time.sleep(60)
    finally:
        open(marker, "w").close()

async def anext_of(values: AsyncIterator[int]) -> int:
    return await anext(values)

def plain(a: int) -> int:
    return a
"""
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    path = tmp_path_factory.mktemp("input") / "s.py"
    path.write_text(SOURCE)
    with serving(path) as served:
        yield served


def head(function: str, *lines: str, query: str = "", kind: str = "application/jsonl") -> bytes:
    """The head of a call whose body is its input stream."""
    more = "".join(line + "\r\n" for line in lines)
    return (
        f"POST /v1/call/s.{function}{query} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{more}\r\n".encode()
    )


def chunk(data: bytes) -> bytes:
    """One chunk of a body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def post(web: Web, function: str, body: bytes, query: str = "", **headers: str) -> Any:
    """A call with a whole body of JSON Lines."""
    kinds = {"Content_Type": "application/jsonl"} | headers
    return web.ask("POST", f"/v1/call/s.{function}{query}", body, **kinds)


def read_until(sock: socket.socket, end: bytes, data: bytes = b"") -> bytes:
    while end not in data:
        piece = sock.recv(65536)
        assert piece, data
        data += piece
    return data


@pytest.mark.parametrize("kind", ["application/jsonl", "application/x-ndjson", "application/jsonl; charset=utf-8"])
def test_the_lines_of_a_body_are_the_items(web: Web, kind: str) -> None:
    answer = post(web, "total", b"1\n2\r\n\n  3  \n4", "?scale=10", Content_Type=kind)
    assert (answer.status, answer.json) == (200, 100)


def test_a_call_with_the_whole_array_works_as_ever(web: Web) -> None:
    assert web.ask("POST", "/v1/call/s.total", b'{"values": [1, 2], "scale": 2}').json == 6
    assert web.ask("GET", "/v1/call/s.listed?values=1&values=2").json == [1, 2]


def test_no_lines_are_no_items(web: Web) -> None:
    for body in (b"", b"\n\n"):
        assert post(web, "total", body).json == 0


def test_each_item_is_answered_before_the_next_is_sent(web: Web) -> None:
    with web.connect() as sock:
        sock.sendall(head("doubled", CHUNKED, "Accept: application/jsonl"))
        data = b""
        for number in range(20):
            sock.sendall(chunk(b"%d\n" % number))
            data = read_until(sock, b"\r\n%d\n\r\n" % (number * 2), data)
        sock.sendall(b"0\r\n\r\n")
        read_until(sock, b"\r\n0\r\n\r\n", data)


def test_a_long_stream_goes_through_both_ways(web: Web) -> None:
    with web.connect() as sock:
        body = b"".join(b"%d\n" % number for number in range(50_000))
        sending = threading.Thread(
            target=sock.sendall,
            args=(head("doubled", f"Content-Length: {len(body)}", "Accept: application/jsonl") + body,),
        )
        sending.start()
        data = read_until(sock, b"\r\n0\r\n\r\n")
        sending.join()
    assert data.count(b"\n99998\n") == 1


def test_a_body_far_past_the_limit_of_one_is_no_trouble(web: Web) -> None:
    line = b'"' + b"x" * 999_998 + b'"\n'
    with web.connect() as sock:
        sock.sendall(head("sizes", f"Content-Length: {len(line) * 40}"))
        for _ in range(40):
            sock.sendall(line)
        assert read_until(sock, b"39999920").startswith(b"HTTP/1.1 200")


def test_a_line_past_the_limit_is_refused(web: Web) -> None:
    with web.connect() as sock:
        sock.sendall(head("sizes", CHUNKED))
        piece = chunk(b"x" * 1_000_000)
        try:
            for _ in range(20):
                sock.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"a line of the input is larger than" in answer


def test_a_function_that_does_not_read_holds_its_client_back(web: Web, tmp_path: Path) -> None:
    marker = tmp_path / "ended"
    line = b'"' + b"x" * 60_000 + b'"\n'
    sock = web.connect()
    with sock:
        sock.sendall(head("sleepy", CHUNKED, "Dragoman-Timeout: 2s", query=f"?marker={marker}"))
        sock.settimeout(1.0)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 1 << 30:
                sent += sock.send(chunk(line))
        assert 0 < sent < 16 << 20
    assert eventually(marker.exists), "its deadline bounds it all the same"


def test_a_client_that_leaves_what_is_not_read_is_noticed(web: Web, tmp_path: Path) -> None:
    marker = tmp_path / "ended"
    line = b'"' + b"x" * 60_000 + b'"\n'
    with web.connect() as sock:
        sock.sendall(head("sleepy", CHUNKED, query=f"?marker={marker}") + b"".join(chunk(line) for _ in range(10)))
        assert eventually(marker.with_suffix(".begun").exists)
    assert eventually(marker.exists)


def test_a_client_that_leaves_ends_the_function(web: Web, tmp_path: Path) -> None:
    marker = tmp_path / "ended"
    with web.connect() as sock:
        sock.sendall(head("sleepy", CHUNKED, query=f"?marker={marker}") + chunk(b'"a"\n'))
        assert eventually(marker.with_suffix(".begun").exists)
    assert eventually(marker.exists)


def test_an_answer_before_the_end_of_the_input_ends_the_connection(web: Web) -> None:
    for function in ("first", "anext_of"):
        with web.connect() as sock:
            sock.sendall(head(function, CHUNKED) + chunk(b"7\n8\n"))
            answer = read_until(sock, b"\r\n\r\n7")
            assert b"connection: close" in answer.lower()
            sock.sendall(chunk(b"9\n"))
            assert sock.recv(10) == b""


def test_a_whole_input_keeps_the_connection(web: Web) -> None:
    with web.connect() as sock:
        for _ in range(3):
            sock.sendall(head("total", CHUNKED) + chunk(b"7\n") + chunk(b"8") + b"0\r\n\r\n")
            read_until(sock, b"\r\n\r\n15")
        sock.sendall(head("total", "Content-Length: 2") + b"5\n" + head("total", "Content-Length: 1") + b"6")
        read_until(sock, b"\r\n\r\n6", read_until(sock, b"\r\n\r\n5"))


@pytest.mark.parametrize(
    ("body", "path"), [(b"1\n2\ntwo\n", "/values/2"), (b'1\n"a"\n', "/values/1"), (b"{\n", "/values/0")]
)
def test_a_bad_line_is_named_by_its_place(web: Web, body: bytes, path: str) -> None:
    answer = post(web, "total", body)
    assert (answer.status, answer.json["code"]) == (400, "INVALID_ARGUMENT")
    assert answer.json["errors"][0]["path"] == path


def test_what_cannot_be_is_said(web: Web) -> None:
    assert post(web, "plain", b"1\n").status == 415
    assert "takes no input stream" in post(web, "plain", b"1\n").json["detail"]
    assert post(web, "total", b"1\n", "?scale=x").json["errors"][0]["path"] == "/scale"
    assert post(web, "total", b"1\n", "?values=1").json["errors"][0]["path"] == "/values"
    assert post(web, "nothing", b"1\n").status == 404


def test_a_body_that_breaks_off_ends_the_call(web: Web) -> None:
    with web.connect() as sock:
        sock.sendall(head("total", CHUNKED) + chunk(b"7\n") + b"nonsense\r\n")
        assert read_until(sock, b"}").startswith(b"HTTP/1.1 4")
    assert post(web, "total", b"4").json == 4


def test_the_page_of_the_interface_tells_of_it(web: Web) -> None:
    page = json.loads(web.ask("GET", "/openapi.json").body)
    content = page["paths"]["/v1/call/s.total"]["post"]["requestBody"]["content"]
    assert "application/jsonl" in content
    assert web.ask("GET", "/v1/functions/s.total").json["input_stream"] == "values"


def test_a_python_caller_gives_an_iterator(web: Web) -> None:
    with dragoman.connect(web.url) as remote:
        assert remote.call("s.total", {"values": iter(range(1000)), "scale": 2}) == 2 * sum(range(1000))
        assert remote.call("s.total", {"values": [1, 2]}) == 3
        assert remote.call("s.doubled", {"values": iter([1])}) == [2]
        with pytest.raises(dragoman.InvalidArgument) as caught:
            remote.call("s.total", {"values": iter([1, "a"])})
        assert [breach.path for breach in caught.value.errors] == ["/values/1"]


async def test_so_does_one_that_awaits(web: Web) -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(1000):
            yield number

    async with dragoman.connect(web.url) as remote:
        assert await remote.call("s.total", {"values": numbers(), "scale": 2}) == 2 * sum(range(1000))
        assert await remote.call("s.total", {"values": iter([1, 2])}) == 3
