"""What is written once reads as if it were written each time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.core.call import Call, Trace
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Fault, Overloaded
from dragoman.core.target import Target
from dragoman.ingress.http.answer import Now
from dragoman.ingress.http.head import Head
from dragoman.ingress.http.overload import TEMPLATES_MAX, OverloadAnswers
from dragoman.ingress.http.problem import render

HEAD = Head(b"POST", b"/v1/call/fn.add", keep_alive=True)


def answers() -> OverloadAnswers:
    def document(fault: Fault, head: Head, timestamp: str) -> bytes:
        return render(fault, status=429, instance=head.path.decode(), timestamp=timestamp)

    return OverloadAnswers("c0ffee00", "shop", Now(SystemClock()), document)


def call(number: int = 9) -> Call:
    return Call(Target("fn.add", "fn", "add", 0, 5.0), b"", id=number)


def read(response: bytes) -> dict[str, Any]:
    head, _, body = response.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head.split(b"\r\n")
    return json.loads(body)


@pytest.mark.parametrize("detail", ["plain", "100% %b %s %%", '","call_id":"~call_id~"', "é\n\x00", "~trace_id~", ""])
def test_any_detail_comes_through(detail: str) -> None:
    made = answers()
    for _ in range(2):
        problem = read(made.write(Overloaded(detail, function="fn.add"), HEAD, call(), 1.0, b""))
        assert (problem["detail"], problem["call_id"], problem["trace_id"]) == (detail, "c0ffee0000000009", "")


def test_each_answer_has_its_own_ids() -> None:
    made, traced = answers(), call(0x1_2345_6789)
    traced.trace = Trace(b"\xaa" * 16, b"\xbb" * 8)
    read(made.write(Overloaded("full"), HEAD, call(), 1.0, b""))
    problem = read(made.write(Overloaded("full"), HEAD, traced, 1.0, b"connection: close\r\n"))
    assert (problem["call_id"], problem["trace_id"]) == ("c0ffee00123456789", "aa" * 16)


def test_only_so_many_are_kept() -> None:
    made = answers()
    for number in range(TEMPLATES_MAX + 10):
        made.write(Overloaded(str(number)), HEAD, call(), 1.0, b"")
    assert len(made.templates) <= TEMPLATES_MAX


def test_another_wait_is_another_answer() -> None:
    made = answers()
    waits = [made.write(Overloaded("full", retry_after_s=wait), HEAD, call(), 1.0, b"") for wait in (1, 7, 1)]
    assert [b"\r\nretry-after: 7\r\n" in response for response in waits] == [False, True, False]
