"""The checker of the storm of queues finds what is wrong."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from tests.integration.queue_history import Promise, Row, Sent, check

Rows = list[Row]


def result(key: str, said: str = "", name: str = "", **headers: str) -> Row:
    return Row(json.dumps(said or key).encode(), {"correlation-id": key, **headers}, name)


def letter(key: str, code: str, attempts: int = 1) -> Row:
    fault = json.dumps({"code": code, "detail": "why"})
    headers = {"x-key": key, "dragoman-code": code, "dragoman-fault": fault, "dragoman-attempts": str(attempts)}
    return Row(b"{}", headers)


def sent() -> Sent:
    made = Sent(kinds={"g": "good", "e": "event", "l": "late", "p": "poison", "i": "invalid", "u": "good"})
    made.confirmed = set(made.kinds) - {"u"}
    made.unsure = {"u"}
    return made


def rows() -> tuple[Rows, Rows]:
    event = Row(b'"e"', {"ce-correlationid": "e", "ce-causationid": "e"})
    return [result("g"), event, result("l")], [letter("p", "UNAVAILABLE", 3), letter("i", "INVALID_ARGUMENT")]


RUNS = Counter({"g": 1, "e": 1, "l": 2, "p": 3})
ONCE, OFTEN = Promise(once=True, attempts=3), Promise(once=False, attempts=3)


def test_where_all_is_well_nothing_is_said() -> None:
    assert check(sent(), *rows(), RUNS, ONCE) == []
    results, dead = rows()
    assert check(sent(), [*results, result("u")], dead, RUNS + Counter("u"), ONCE) == []
    assert check(sent(), [*results, result("g")], dead, RUNS, OFTEN) == []
    # Whoever had it died, or never said what came of it: past its attempts.
    assert check(sent(), results[1:], [*dead, letter("g", "UNAVAILABLE", 4)], RUNS, ONCE) == []


WELL = rows()


@pytest.mark.parametrize(
    ("results", "dead", "why"),
    [
        (WELL[0][1:], WELL[1], "g .good. was confirmed, and is lost"),
        (WELL[0], WELL[1][1:], "p .poison. was confirmed, and is lost"),
        ([result("g"), *WELL[0]], WELL[1], "g .good. has 2 results"),
        (WELL[0], [letter("g", "UNAVAILABLE", 4), *WELL[1]], "1 results and 1 dead"),
        ([result("nobody"), *WELL[0]], WELL[1], "'nobody' came out, and nobody sent it"),
        ([result("g", "other"), *WELL[0][1:]], WELL[1], "the result of another"),
        ([WELL[0][0], result("e"), WELL[0][2]], WELL[1], "what answers it is not"),
        ([result("p"), *WELL[0]], WELL[1][1:], "p .poison. has a result"),
        ([result("u"), *WELL[0]], WELL[1], "u has a result, and never began"),
        (WELL[0], [letter("p", "UNAVAILABLE", 2), WELL[1][1]], "given up after 2 attempts"),
        (WELL[0], [letter("p", "INTERNAL", 3), WELL[1][1]], "p .poison. is a dead letter for"),
        (WELL[0], [letter("u", "INVALID_ARGUMENT"), *WELL[1]], "u .good. is a dead letter for"),
    ],
)
def test_what_is_wrong_is_said(results: Rows, dead: Rows, why: str) -> None:
    (told,) = check(sent(), results, dead, RUNS, ONCE)
    assert re.search(why, told), told


def test_results_of_several_ids_are_no_repetitions() -> None:
    results, dead = rows()
    twice = [result("g", name="1"), result("g", name="2")]
    assert "several ids" in check(sent(), [*twice, *results[1:]], dead, RUNS, OFTEN)[0]


def test_what_is_invalid_never_begins() -> None:
    assert check(sent(), *rows(), RUNS + Counter("i"), ONCE) == ["i is invalid, and began 1 times"]
