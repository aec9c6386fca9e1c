import pytest

from dragoman.core import fault as faults
from dragoman.core.fault import BY_CODE, Code, Fault, Overloaded, Started, StartFailed, WorkerLost


def test_every_code_has_one_class() -> None:
    assert set(BY_CODE) == set(Code)
    assert all(BY_CODE[code].code is code for code in Code)


@pytest.mark.parametrize("code", list(Code))
def test_a_fault_is_built_from_its_code(code: Code) -> None:
    fault = Fault.of(code.value, "why", started=Started.YES)
    assert type(fault) is BY_CODE[code]
    assert (fault.detail, fault.started, str(fault)) == ("why", Started.YES, "why")


@pytest.mark.parametrize("code", list(Code))
def test_a_constructor_per_code_raises_from_a_function_that_has_begun(code: Code) -> None:
    fault = getattr(Fault, code.value.lower())("why")
    assert type(fault) is BY_CODE[code]
    assert fault.started is Started.YES


def test_a_code_outside_the_set_is_refused() -> None:
    with pytest.raises(ValueError, match="TEAPOT"):
        Fault.of("TEAPOT", "no")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Overloaded("full"), "retryable"),
        (StartFailed("broken"), "retryable"),
        (WorkerLost("gone"), "final"),
        (WorkerLost("gone", started=Started.NO), "retryable"),
        (faults.InvalidArgument("bad"), "final"),
        (faults.Aborted("conflict", started=Started.YES), "final"),
    ],
)
def test_only_what_never_ran_and_may_pass_is_retryable(fault: Fault, expected: str) -> None:
    assert fault.retryable is (expected == "retryable")


def test_a_condition_is_caught_as_its_code() -> None:
    with pytest.raises(faults.Unavailable):
        raise WorkerLost("gone")
