"""A fault survives the way to a problem and back, and no remote JSON can break the reader."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.fault import BY_CODE, Breach, Code, Fault, Overloaded, ResourceExhausted, Started
from dragoman.core.problem import (
    BREACHES_MAX,
    DETAIL_CHARS_MAX,
    NAME_CHARS_MAX,
    from_problem,
    title_of,
    to_problem,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
FIELDS = [
    "type", "title", "status", "detail", "instance", "code", "function", "started", "retryable", "errors", "call_id",
    "trace_id", "service", "timestamp",
]  # fmt: skip


def problem_of(fault: Fault) -> dict[str, object]:
    return to_problem(fault, status=500, instance="/v1/call/f", timestamp="2026-01-01T00:00:00.000Z")


def test_the_members_are_the_documented_ones_in_the_documented_order() -> None:
    fault = Fault.of(Code.DEADLINE_EXCEEDED, "stats.correlation ran past its 2s timeout", started=Started.YES)
    problem = problem_of(fault)
    assert list(problem) == FIELDS
    assert problem["title"] == "Deadline exceeded"
    assert problem["started"] == "yes"
    assert problem["retryable"] is False


def test_a_traceback_never_travels_by_itself() -> None:
    assert "traceback" not in problem_of(Fault("boom", traceback="Traceback …"))


def test_a_breach_keeps_its_path_and_message() -> None:
    fault = Fault.of(Code.INVALID_ARGUMENT, "bad", errors=(Breach("/data/0/2", "is not a number"),))
    assert problem_of(fault)["errors"] == [{"path": "/data/0/2", "message": "is not a number"}]
    assert from_problem(problem_of(fault)).errors == fault.errors


@given(
    code=st.sampled_from(list(Code)),
    started=st.sampled_from(list(Started)),
    detail=st.text(min_size=1),
    function=st.text(max_size=50),
    breaches=st.lists(st.tuples(st.text(max_size=50), st.text()), max_size=5),
)
def test_a_fault_reads_back_as_it_was_written(
    code: Code, started: Started, detail: str, function: str, breaches: list[tuple[str, str]]
) -> None:
    fault = Fault.of(
        code, detail, started=started, function=function, errors=tuple(Breach(*breach) for breach in breaches)
    )
    fault.call_id, fault.trace_id, fault.service = "01", "02", "shop"
    back = from_problem(json.loads(json.dumps(problem_of(fault))))
    assert type(back) is BY_CODE[code]
    assert (back.detail, back.started, back.function, back.errors) == (detail, started, function, fault.errors)
    assert (back.call_id, back.trace_id, back.service, back.remote) == ("01", "02", "shop", True)
    assert back.retryable is fault.retryable


def test_a_local_condition_is_read_back_as_the_class_of_its_code() -> None:
    assert type(from_problem(problem_of(Overloaded("full")))) is ResourceExhausted


@given(JSON, st.sampled_from(list(Code)))
def test_any_json_value_reads_as_a_fault(document: object, fallback: Code) -> None:
    fault = from_problem(document, fallback=fallback)
    assert fault.detail
    assert fault.remote


@given(st.dictionaries(st.sampled_from([*FIELDS, "traceback"]), JSON))
def test_known_members_of_the_wrong_shape_are_passed_over(document: dict[str, object]) -> None:
    fault = from_problem(document, fallback=Code.UNAVAILABLE)
    assert isinstance(fault.started, Started)
    assert all(isinstance(breach, Breach) for breach in fault.errors)


@pytest.mark.parametrize("code", ["OK", "not found", "", 5, None, ["NOT_FOUND"], {}])
def test_a_code_outside_the_closed_set_falls_back(code: object) -> None:
    assert from_problem({"code": code}, fallback=Code.UNAVAILABLE).code is Code.UNAVAILABLE


def test_a_fault_that_does_not_say_whether_it_started_is_not_retryable() -> None:
    fault = from_problem({"code": "UNAVAILABLE", "detail": "gone"})
    assert fault.started is Started.UNKNOWN
    assert not fault.retryable


def test_remote_text_is_bounded() -> None:
    fault = from_problem(
        {
            "code": "UNKNOWN",
            "detail": "x" * 10_000_000,
            "call_id": "y" * 10_000,
            "errors": [{"path": "/", "message": "m"}] * (BREACHES_MAX * 2),
        }
    )
    assert len(fault.detail) == DETAIL_CHARS_MAX
    assert fault.detail.endswith("(10000000 characters)")
    assert len(fault.call_id) == NAME_CHARS_MAX
    assert len(fault.errors) == BREACHES_MAX


def test_titles_are_the_codes_in_words() -> None:
    assert title_of(Code.DATA_LOSS) == "Data loss"
    assert from_problem({"title": "Bad Gateway"}).detail == "Bad Gateway"
