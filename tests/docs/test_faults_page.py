"""The page of faults names every code, class, status, exit code and field, and no others."""

import dragoman
from dragoman.cli.outcome import exit_code
from dragoman.core.fault import BY_CODE, PASSING, Code, Fault
from dragoman.core.problem import DETAIL_CHARS_MAX, to_problem
from dragoman.ingress.http.problem import RETRY_AFTER_S_MAX, STATUS
from tests.docs.tables import ROOT, bare, read_table

PAGE = "docs/reference/faults.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")


def test_every_code_has_its_status_class_and_exit_code() -> None:
    rows = read_table(PAGE, "Code", "HTTP", "Class in Python", "Exit code")
    said = {bare(code): (int(status), bare(name), int(number)) for code, status, name, number in rows}
    assert len(said) == len(rows)
    assert said == {
        code.value: (STATUS[code], BY_CODE[code].__name__, exit_code(Fault.of(code, "it failed"))) for code in Code
    }
    assert all(getattr(dragoman, name) is BY_CODE[Code(code)] for code, (_, name, _) in said.items())


def test_every_code_is_said_to_be_raised_by_somebody() -> None:
    raised = {bare(row[0]) for row in read_table(PAGE, "Code", "When", "`started`")}
    by_functions = {"UNAUTHENTICATED", "ALREADY_EXISTS"}
    assert raised | by_functions == set(Code)
    assert not raised & by_functions


def test_every_member_of_a_problem_is_explained() -> None:
    said = [bare(row[0]) for row in read_table(PAGE, "Member", "Meaning")]
    problem = to_problem(Fault.of(Code.UNKNOWN, "it failed"), status=500, instance="/", timestamp="")
    assert said == [*problem, "traceback"]


def test_a_fault_has_the_members_as_attributes() -> None:
    fault = Fault.of(Code.UNKNOWN, "it failed")
    for name in ("detail", "code", "function", "started", "retryable", "errors", "call_id", "trace_id", "service"):
        assert hasattr(fault, name)
    assert fault.retry_after_s is None
    assert fault.remote is False


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"at most {DETAIL_CHARS_MAX:,} characters" in TEXT
    assert f"1 to {RETRY_AFTER_S_MAX:,}" in TEXT
    (row,) = [row for row in read_table(PAGE, "Member", "Meaning") if row[0] == "`retryable`"]
    assert all(f"`{code.value}`" in row[1] for code in PASSING)
