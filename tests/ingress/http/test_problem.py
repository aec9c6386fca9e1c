"""Every fault has a status, a document and, where it helps, a time to try again."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.fault import Code, Fault, Overloaded, Started
from dragoman.core.problem import from_problem
from dragoman.ingress.http.problem import RETRY_AFTER_S_MAX, STATUS, render, retry_after, status_of

NOW = "2026-01-01T00:00:00.000Z"


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_an_error_status(code: Code) -> None:
    assert 400 <= status_of(code) < 600


def test_the_table_is_the_documented_one() -> None:
    assert {
        status: sorted(code.value for code in Code if STATUS[code] == status) for status in set(STATUS.values())
    } == {
        400: ["FAILED_PRECONDITION", "INVALID_ARGUMENT", "OUT_OF_RANGE"],
        401: ["UNAUTHENTICATED"],
        403: ["PERMISSION_DENIED"],
        404: ["NOT_FOUND"],
        409: ["ABORTED", "ALREADY_EXISTS"],
        429: ["RESOURCE_EXHAUSTED"],
        499: ["CANCELLED"],
        500: ["DATA_LOSS", "INTERNAL", "UNKNOWN"],
        501: ["UNIMPLEMENTED"],
        503: ["UNAVAILABLE"],
        504: ["DEADLINE_EXCEEDED"],
    }


def test_the_document_is_the_documented_one() -> None:
    fault = Fault.of(
        Code.DEADLINE_EXCEEDED,
        "stats.correlation ran past its 2s timeout",
        started=Started.YES,
        function="stats.correlation",
        traceback="secret",
    )
    fault.call_id, fault.trace_id, fault.service = "c1", "t1", "shop"
    body = render(fault, status=504, instance="/v1/call/stats.correlation", timestamp=NOW)
    assert json.loads(body) == {
        "type": "about:blank",
        "title": "Deadline exceeded",
        "status": 504,
        "detail": "stats.correlation ran past its 2s timeout",
        "instance": "/v1/call/stats.correlation",
        "code": "DEADLINE_EXCEEDED",
        "function": "stats.correlation",
        "started": "yes",
        "retryable": False,
        "errors": [],
        "call_id": "c1",
        "trace_id": "t1",
        "service": "shop",
        "timestamp": NOW,
    }


def test_a_traceback_is_shown_to_who_debugs_and_keeps_its_end() -> None:
    fault = Fault("ValueError: no", traceback="frame\n" * 100_000 + "ValueError: no")
    shown = json.loads(render(fault, status=500, instance="/", timestamp=NOW, debug=True))["traceback"]
    assert shown.endswith("ValueError: no")
    assert len(shown) <= 64 * 1024


def test_a_status_of_its_own_brings_its_own_title() -> None:
    fault = Fault.of(Code.INVALID_ARGUMENT, "too large")
    assert json.loads(render(fault, status=415, instance="/", timestamp=NOW))["title"] == "Unsupported Media Type"
    assert json.loads(render(fault, status=400, instance="/", timestamp=NOW))["title"] == "Invalid argument"


@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None)))
def test_any_text_makes_a_document_in_utf8(detail: str, instance: str) -> None:
    document = json.loads(render(Fault(detail), status=500, instance=instance, timestamp=NOW).decode("utf-8"))
    assert from_problem(document).code is Code.UNKNOWN


@pytest.mark.parametrize(
    ("wait_s", "value"),
    [
        (0.0, "1"),
        (-5.0, "1"),
        (0.2, "1"),
        (1.0, "1"),
        (1.001, "2"),
        (math.inf, str(RETRY_AFTER_S_MAX)),
        (math.nan, "1"),
    ],
)
def test_a_wait_is_whole_seconds_and_at_least_one(wait_s: float, value: str) -> None:
    assert retry_after(Overloaded("full", retry_after_s=wait_s)) == value


def test_a_wait_is_named_only_where_a_retry_makes_sense() -> None:
    assert retry_after(Overloaded("full")) == "1"
    assert retry_after(Fault.of(Code.INVALID_ARGUMENT, "bad")) == ""
    assert retry_after(Fault.of(Code.UNAVAILABLE, "gone", started=Started.YES)) == ""
