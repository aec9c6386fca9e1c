import math
from typing import Any, cast

import pytest

from dragoman.client.order import Order, order_of


def test_what_is_not_said_is_not_sent() -> None:
    assert Order().headers() == {"prefer": "respond-async"}
    assert Order(delay=0).headers() == {"prefer": "respond-async"}


def test_times_travel_with_their_unit_and_are_never_cut_to_nothing() -> None:
    said = order_of(delay=1.5, deadline="1h", timeout=0.0001, attempts=2, callback="https://x.test/h").headers()
    assert said == {
        "prefer": "respond-async",
        "dragoman-task-delay": "1500ms",
        "dragoman-task-deadline": "3600000ms",
        "dragoman-timeout": "1ms",
        "dragoman-task-attempts": "2",
        "dragoman-callback": "https://x.test/h",
    }


def test_priority_and_key_are_those_of_calls() -> None:
    assert Order(priority="batch", key="a b").marks.headers() == {
        "dragoman-priority": "batch",
        "idempotency-key": '"a b"',
    }


@pytest.mark.parametrize(
    "words",
    [
        {"delay": -1},
        {"delay": math.nan},
        {"delay": "5"},
        {"delay": "soon"},
        {"delay": 1e12},
        {"deadline": 10**400},
        {"deadline": 0},
        {"deadline": math.inf},
        {"timeout": -0.5},
        *({"attempts": each} for each in (0, -1, 1001, 1.5, True, "2")),
        {"callback": "http://x\r\nevil: 1"},
        {"callback": ""},
        {"callback": 5},
        {"deadline": []},
        {"priority": "urgent"},
        {"key": "\n"},
        {"key": 5},
    ],
)
def test_words_that_mean_nothing_are_refused_before_anything_is_sent(words: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"a task's|a callback|priority|an idempotency key"):
        order_of(**words)


def test_an_unknown_word_is_no_word() -> None:
    with pytest.raises(TypeError, match="dealy"):
        cast("Any", order_of)(dealy=1)
