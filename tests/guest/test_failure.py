from __future__ import annotations

import pytest

from dragoman.core.fault import InvalidArgument, NotFound, Started, Unknown
from dragoman.guest.failure import TRACEBACK_CHARS_MAX, begin_of_user_code, describe, fault_of, render


def raised(error: Exception) -> BaseException:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def test_a_message_stands_behind_its_type() -> None:
    assert describe(ValueError("no")) == "ValueError: no"
    assert describe(ValueError()) == "ValueError"


def test_an_exception_whose_message_fails_in_any_way_has_its_name() -> None:
    class SpitefulError(Exception):
        def __str__(self) -> str:
            raise KeyboardInterrupt

    fault = fault_of(raised(SpitefulError()))
    assert fault.detail.endswith("SpitefulError: (its message cannot be read)")
    assert type(fault) is Unknown


def test_an_exception_of_user_code_is_unknown_and_ran() -> None:
    fault = fault_of(raised(KeyError("x")))
    assert type(fault) is Unknown
    assert fault.started is Started.YES
    assert "KeyError: 'x'" in fault.traceback


def test_a_fault_that_no_user_code_raised_keeps_its_word() -> None:
    fault = InvalidArgument("bad input")
    assert fault_of(fault) is fault
    assert fault.started is Started.NO


def test_a_fault_that_user_code_raised_has_started() -> None:
    assert fault_of(raised(NotFound("x"))).started is Started.YES


def test_a_long_traceback_keeps_both_ends() -> None:
    def deep(left: int) -> None:
        if left:
            return deep(left - 1) if left % 2 else deep_too(left)
        raise RuntimeError("bottom")

    def deep_too(left: int) -> None:
        return deep(left - 1)

    with pytest.raises(RuntimeError) as caught:
        deep(400)
    text = render(caught.value, begin_of_user_code(caught.value.__traceback__))
    assert len(text) < TRACEBACK_CHARS_MAX + 100
    assert text.startswith("Traceback")
    assert text.endswith("RuntimeError: bottom\n")
    assert "characters left out" in text
