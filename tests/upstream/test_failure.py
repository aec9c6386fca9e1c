from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.fault import Code, Started
from dragoman.ingress.http.problem import STATUS
from dragoman.upstream.failure import code_of, read_failure, read_fault

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("code", list(Code))
def test_our_own_statuses_read_back_as_a_code_of_the_same_status(code: Code) -> None:
    assert STATUS[code_of(STATUS[code])] == STATUS[code]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "no"}, "no"),
        ({"error": {"message": "deep"}}, "deep"),
        ({"error": "short"}, "short"),
        ({"title": "T", "detail": "D"}, "D"),
        ([1], "[1]"),
    ],
)
def test_what_a_service_says_is_told(body: Any, words: str) -> None:
    fault = read_failure(418, JSON, json.dumps(body).encode(), "it")
    assert fault.code is Code.FAILED_PRECONDITION
    assert fault.detail.endswith(words)
    assert "418" in fault.detail


def test_a_problem_of_another_service_keeps_its_words_and_not_its_ids() -> None:
    problem = {
        "title": "Out of stock",
        "detail": "none left",
        "instance": "/x",
        "call_id": "theirs",
        "trace_id": "t",
        "traceback": "secret",
    }
    fault = read_failure(409, {"content-type": "application/problem+json"}, json.dumps(problem).encode(), "it")
    assert (fault.code, fault.detail, fault.started) == (Code.ABORTED, "none left", Started.UNKNOWN)
    assert (fault.function, fault.call_id, fault.trace_id, fault.traceback) == ("it", "", "", "")


@pytest.mark.parametrize(
    ("value", "wait_s"), [("3", 3.0), ("-1", None), ("nan", None), ("inf", 86400.0), ("Fri, 1 Jan", None)]
)
def test_retry_after_is_seconds(value: str, wait_s: float | None) -> None:
    assert read_failure(503, {"retry-after": value}, b"", "it").retry_after_s == wait_s


@given(
    st.integers(100, 999),
    st.binary(),
    st.sampled_from(["application/json", "application/problem+json", "", "text/html"]),
)
def test_no_response_breaks_the_reader(status: int, body: bytes, media: str) -> None:
    fault = read_failure(status, {"content-type": media}, body, "it")
    assert fault.function == "it"
    assert len(fault.detail) < 20_000


def test_a_fault_in_a_stream_has_a_code() -> None:
    assert read_fault(b'{"a": 1}', "it") is None
    assert read_fault(b"{", "it") is None
    fault = read_fault(b'{"code": "ABORTED", "detail": "d"}', "it")
    assert fault is not None
    assert fault.code is Code.ABORTED
