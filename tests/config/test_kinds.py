import datetime as dt
import math
from typing import Any

import pytest

from dragoman.config.kinds import Arguments, Duration, Flag, Kind, Size, Text, Variables, Whole
from dragoman.config.problem import Refused
from dragoman.contract.check import Checker

DURATION = Duration("10ms", "1m")
GRACE = Duration("10ms", "1m", off=True)
SIZE = Size(1024, 4096)
MEMORY = Size(1024, 4096, off=True)
CHOICE = Text(choices=("json", "text"))


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Text(), "a b", "a b"),
        (Text(lines=True), "a\nb", "a\nb"),
        (CHOICE, "text", "text"),
        (Whole(1, 4), 4, 4),
        (Flag(), True, True),
        (DURATION, "1m", 60.0),
        (GRACE, "0s", 0.0),
        (SIZE, "1KB", 1024),
        (SIZE, 4096, 4096),
        (MEMORY, 0, 0),
        (Arguments(), ["ls", "", "{a}"], ("ls", "", "{a}")),
        (Variables(), {"A": "x", "B_2": 7, "C": True, "D": False}, {"A": "x", "B_2": "7", "C": "true", "D": "false"}),
    ],
)
def test_a_fitting_value_is_read_into_plain_units_and_fits_the_schema(kind: Kind, value: Any, expected: Any) -> None:
    assert kind.read(value) == expected
    assert Checker(kind.schema()).breaches(value) == ()


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (Text(), 1, "expected a string, found the integer 1"),
        (Text(), "", "of 1 to 4096 characters, found 0 characters"),
        (Text(), "x" * 5000, "found 5000 characters"),
        (Text(), "a\nb", "control characters"),
        (Text("a path", "[a-z]+"), "A", "expected a path, found the string 'A'"),
        (CHOICE, "jsno", 'expected "json" or "text", found the string \'jsno\''),
        (CHOICE, ["json"], 'expected "json" or "text", found an array'),
        (Whole(1, 4), 0, "expected a whole number from 1 to 4, found the integer 0"),
        (Whole(1, 4), "3", "expected a whole number from 1 to 4, found the string '3'"),
        (Whole(0, 4), True, "found the boolean true"),
        (Whole(1, 4), 2.0, "found the number 2.0"),
        (Whole(1, 4), 10**400, "found an integer of more than 64 bits"),
        (Flag(), 1, "expected true or false, found the integer 1"),
        (Flag(), {}, "found a table"),
        (DURATION, 5, "expected a duration such as"),
        (DURATION, "5ms", "expected a duration from 10ms to 1m, found the string '5ms'"),
        (DURATION, "0s", "expected a duration from 10ms to 1m"),
        (GRACE, "2m", "10ms to 1m \\(or 0s for none\\)"),
        (SIZE, 0, "expected a size from 1KB to 4KB, found the integer 0"),
        (SIZE, 1.5, "expected a size such as"),
        (SIZE, True, "found the boolean true"),
        (MEMORY, 5000, "1KB to 4KB \\(or 0 for none\\)"),
        (Arguments(), "ls -l", "no shell splits it\\), found the string 'ls -l'"),
        (Arguments(), [], "at least the program, found an array"),
        (Arguments(), 3, "at least the program, found the integer 3"),
        (Arguments(), ["ls", 3], "expected a string, found the integer 3"),
        (Arguments(), [""], "the program has a name"),
        (Arguments(), ["ls", "a\0"], "NUL"),
        (Arguments(), ["ls"] * 1001, "at most 1000 arguments, found 1001"),
        (Variables(), [], "a table of environment variables, found an array"),
        (Variables(), {"A": 1.5}, "found the number 1.5"),
        (Variables(), {"A": math.inf}, "found the number inf"),
        (Variables(), {"A": dt.date(2026, 1, 1)}, "found a date"),
        (Variables(), {"A": 10**5000}, "64-bit"),
        (Variables(), {"A=B": "x"}, "letters, digits and underscores"),
        (Variables(), {"DRAGOMAN_WIRE_FD": "3"}, "belong to the host"),
        (Variables(), {"A": "x\0"}, "NUL"),
        (Variables(), {"A": "x" * 131072}, "at most 128KB"),
    ],
)
def test_anything_else_is_refused_saying_what_was_expected_and_found(kind: Kind, value: Any, message: str) -> None:
    with pytest.raises(Refused, match=message):
        kind.read(value)


def test_a_refusal_leads_to_the_part_that_is_wrong() -> None:
    with pytest.raises(Refused) as refusal:
        Arguments().read(["ls", 3])
    assert refusal.value.below == (1,)
    with pytest.raises(Refused) as refusal:
        Variables().read({"A": 1, "B": []})
    assert refusal.value.below == ("B",)
