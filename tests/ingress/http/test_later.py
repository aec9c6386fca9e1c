"""The headers that make a call a task, and what is wrong with them."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.terms import Terms
from dragoman.ingress.http.later import ATTEMPTS, CALLBACK, DEADLINE, DELAY, PREFER, WAIT_S_MAX, WISHES, Later, Wishes


def later(*headers: tuple[bytes, bytes], attempt_s: float = math.inf) -> Later | None:
    wishes = Wishes()
    for name, value in headers:
        wishes.take(name, value)
    return wishes.later(attempt_s)


def asked(*headers: tuple[bytes, bytes]) -> Later:
    found = later((PREFER, b"respond-async"), *headers)
    assert found is not None
    return found


def test_a_call_whose_caller_prefers_something_else_is_answered_at_once() -> None:
    assert later((PREFER, b"return=minimal, wait=5")) is None


def test_a_task_is_taken_on_the_terms_of_its_headers() -> None:
    found = later(
        (PREFER, b"respond-async"),
        (DELAY, b"10m"),
        (DEADLINE, b"2h"),
        (ATTEMPTS, b" 2 "),
        (CALLBACK, b"https://example.org/done?x=1"),
        attempt_s=3.0,
    )
    url = json.dumps("https://example.org/done?x=1").encode()
    assert found == Later(Terms(delay_s=600.0, deadline_s=7200.0, attempt_s=3.0, attempts_max=2, callback=url))
    assert found is not None
    assert found.applied == b"respond-async"


def test_preferences_may_come_in_headers_of_their_own() -> None:
    found = later((PREFER, b"return=minimal"), (PREFER, b"wait=5"), (PREFER, b"respond-async"))
    assert found == Later(Terms(), 5.0, b"respond-async, wait=5")
    assert found is not None
    assert found.applied == b"respond-async, wait=5"


def test_nobody_is_kept_waiting_for_longer_than_a_minute() -> None:
    assert asked((PREFER, b"wait=99999999")).wait_s == WAIT_S_MAX


@pytest.mark.parametrize(
    "value", [b"wait", b"wait=", b"wait=-1", b"wait=1.5", b"wait=5s", b"wait=1000000000000", b'wait="\xb2"']
)
def test_a_wait_is_whole_seconds(value: bytes) -> None:
    with pytest.raises(ValueError, match=r'wait: expected whole seconds, as in "wait=5"'):
        asked((PREFER, value))


WRONG = (b"", b"0", b"-1", b"+1", b"1.0", b"1001", b"9" * 5000, b"\xb2", b"many", b"1 2")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (DELAY, b"soon", "Dragoman-Task-Delay: expected a duration such as"),
        (DELAY, b"-1s", "Dragoman-Task-Delay: expected a duration"),
        (DELAY, b"99999999999999d", "Dragoman-Task-Delay: expected 0s to 3650d"),
        (DEADLINE, b"0s", "Dragoman-Task-Deadline: expected more than 0 to 3650d"),
        (DEADLINE, b"10", "Dragoman-Task-Deadline: expected a duration"),
        *((ATTEMPTS, each, "Dragoman-Task-Attempts: expected a whole number from 1 to 1000, found") for each in WRONG),
        (CALLBACK, b"", "Dragoman-Callback: expected a URL such as"),
        (CALLBACK, b"https://example.org/a\tb", "Dragoman-Callback: expected a URL such as"),
        (CALLBACK, b"https://ex\xe4mple.org/", "Dragoman-Callback: expected a URL such as"),
        (CALLBACK, b"https://example.org/" + b"x" * 2048, "Dragoman-Callback: expected a URL such as"),
    ],
)
def test_what_cannot_be_read_is_refused(name: bytes, value: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        asked((name, value))


@pytest.mark.parametrize("name", sorted(WISHES - {PREFER}))
def test_what_only_a_task_can_do_makes_the_call_one(name: bytes) -> None:
    value = b"1" if name == ATTEMPTS else b"1s"
    found = later((name, value))
    assert found is not None
    assert (found.wait_s, found.applied) == (0.0, b"")
    found = later((name, value), (PREFER, b"wait=3"))
    assert found is not None
    assert (found.wait_s, found.applied) == (3.0, b"wait=3")


def test_two_headers_that_differ_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="two Dragoman-Task-Delay headers that differ"):
        asked((DELAY, b"1s"), (DELAY, b"2s"))
    assert asked((DELAY, b"1s"), (DELAY, b"1s")).terms.delay_s == 1.0


@given(st.lists(st.tuples(st.sampled_from(sorted(WISHES)), st.binary(max_size=60)), max_size=6))
def test_whatever_comes_is_read_or_refused(headers: list[tuple[bytes, bytes]]) -> None:
    try:
        found = later(*headers)
    except ValueError as error:
        assert str(error).startswith(("Prefer", "Dragoman-", "there are two"))  # noqa: PT017 - either is right
    else:
        assert found is None or 0 <= found.wait_s <= WAIT_S_MAX
