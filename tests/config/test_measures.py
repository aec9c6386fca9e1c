from typing import Any

import pytest

from dragoman.config.kinds import Kind
from dragoman.config.measures import VALUE_BYTES_MAX, Codes, Json, Number, OneCode, Rate, percentile, share
from dragoman.config.problem import Refused
from dragoman.contract.check import Checker
from dragoman.core.fault import Code


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        (share(), 0, 0.0),
        (share(), 1, 1.0),
        (share(), 0.25, 0.25),
        (percentile(), 99.9, 99.9),
        (Number(1, 100), 100, 100.0),
        (Rate(), "100/s", 100.0),
        (Rate(), "30/m", 0.5),
        (OneCode(), "ABORTED", Code.ABORTED),
        (Codes(), ["ABORTED", "UNAVAILABLE", "ABORTED"], {Code.ABORTED, Code.UNAVAILABLE}),
        (Json(), {"a": [1, True, "ü"]}, '{"a":[1,true,"ü"]}'.encode()),
        (Json(), "", b'""'),
    ],
)
def test_a_value_is_read_into_the_programs_own_terms(kind: Kind, value: object, read: object) -> None:
    assert kind.read(value) == read
    assert kind.words()


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (share(), 1.1, "expected a share from 0 to 1, found the number 1.1"),
        (share(), float("nan"), "expected a share from 0 to 1, found the number nan"),
        (share(), True, "expected a share from 0 to 1, found the boolean true"),
        (share(0.01), 0, "expected a share from 0.01 to 1"),
        (percentile(), 100, "expected a percentile from 50 to 99.99"),
        (Rate(), 100, "expected a rate such as"),
        (Rate(), "100", "expected a rate such as"),
        (Rate(), "2000000/s", "expected a rate from 1/d to 1000000/s"),
        (Rate(), "0/s", "expected a rate from 1/d"),
        (OneCode(), "unavailable", "did you mean 'UNAVAILABLE'?"),
        (OneCode(), 3, "expected the code of a fault"),
        (Codes(), [], "expected a list of codes"),
        (Codes(), "ABORTED", "expected a list of codes"),
        (Codes(), ["ABORTED", "NOPE"], "expected the code of a fault, found the string 'NOPE'"),
        (Json(), {"a": float("inf")}, "expected a value that JSON has"),
        (Json(), "x" * VALUE_BYTES_MAX, "expected at most"),
    ],
)
def test_what_is_none_is_refused(kind: Kind, value: object, message: str) -> None:
    with pytest.raises(Refused, match=message.replace("?", r"\?")):
        kind.read(value)


def test_the_code_that_is_wrong_is_pointed_at() -> None:
    with pytest.raises(Refused) as refusal:
        Codes().read(["ABORTED", "NOPE"])
    assert refusal.value.below == (1,)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (share(), 0.5, 2),
        (Rate(), "1.5/m", "1.5"),
        (OneCode(), "ABORTED", "aborted"),
        (Codes(), ["ABORTED"], []),
        (Json(), {"a": 1}, None),
    ],
)
def test_an_editor_is_told_the_same(kind: Kind, good: Any, bad: Any) -> None:
    checker = Checker({"type": "object", "properties": {"value": kind.schema()}})
    assert not checker.breaches({"value": good})
    assert bad is None or checker.breaches({"value": bad})
