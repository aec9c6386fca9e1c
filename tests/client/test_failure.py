import json

import pytest

from dragoman.client.failure import CODES, read_failure, read_fault
from dragoman.core.fault import Breach, Code, Started

PROBLEM = {
    "code": "INVALID_ARGUMENT",
    "detail": "no",
    "started": "no",
    "call_id": "c1",
    "trace_id": "t1",
    "errors": [{"path": "/a", "message": "bad"}],
}
JSON = {"content-type": "application/problem+json; charset=utf-8"}


def test_a_problem_is_the_fault_that_it_was() -> None:
    fault = read_failure(400, JSON | {"retry-after": "7"}, json.dumps(PROBLEM).encode())
    assert (fault.code, fault.detail, fault.started) == (Code.INVALID_ARGUMENT, "no", Started.NO)
    assert (fault.call_id, fault.trace_id, fault.remote, fault.retry_after_s) == ("c1", "t1", True, 7.0)
    assert fault.errors == (Breach("/a", "bad"),)


@pytest.mark.parametrize("status", [*CODES, 500, 418, 599])
def test_anything_else_is_judged_by_its_status_and_nobody_knows_whether_it_ran(status: int) -> None:
    fault = read_failure(status, {"content-type": "text/html"}, b"<h1>Bad\x1b gateway</h1>")
    assert fault.code is CODES.get(status, Code.UNKNOWN)
    assert (fault.started, fault.remote) == (Started.UNKNOWN, True)
    assert str(status) in fault.detail
    assert "gateway" in fault.detail


def test_a_redirect_is_not_followed_and_names_its_place() -> None:
    fault = read_failure(302, {"location": "https://login.example"}, b"")
    assert (fault.code, fault.started) == (Code.FAILED_PRECONDITION, Started.NO)
    assert "https://login.example" in fault.detail


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"code": 7}', b"\xff", b'"x"'])
def test_a_problem_that_is_broken_is_a_fault_all_the_same(body: bytes) -> None:
    assert read_failure(503, JSON, body).code is Code.UNAVAILABLE
    assert read_fault(body).code is Code.UNKNOWN


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3.0), ("0.5", 0.5), ("-1", None), ("nan", None), ("Wed, 21 Oct 2015", None), ("inf", 86400.0), ("", None)],
)
def test_only_a_number_of_seconds_is_read_from_retry_after(value: str, seconds: float | None) -> None:
    assert read_failure(429, {"retry-after": value}, b"").retry_after_s == seconds


def test_a_long_answer_is_cut() -> None:
    assert len(read_failure(502, {}, b"x" * 1_000_000).detail) < 500
