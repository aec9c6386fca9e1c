"""Headers for a service: checked, and filled in from the environment without being shown."""

from __future__ import annotations

import pytest

from dragoman.config.problem import Refused
from dragoman.config.services import Headers


def test_a_header_may_take_its_key_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_KEY", "s3cret")
    read = Headers().read({"Authorization": "Bearer ${BILLING_KEY}", "X-Plain": "$${BILLING_KEY} $5"})
    assert read == {"Authorization": "Bearer s3cret", "X-Plain": "${BILLING_KEY} $5"}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3, "table"),
        ({"a b": "c"}, "letters, digits and dashes"),
        ({"a": 1}, "string"),
        ({"a": "x\r\nb: c"}, "printable ASCII"),
        ({"a": " x"}, "printable ASCII"),
        ({"a": "ä"}, "printable ASCII"),
        ({"a": "x" * 100_000}, "printable ASCII"),
        ({"Host": "x"}, "own header"),
        ({"a": "x", "A": "y"}, "twice"),
        ({"a": "${NOT_SET_ANYWHERE}"}, "NOT_SET_ANYWHERE, which is not set"),
        ({f"h{index}": "x" for index in range(100_000)}, "at most"),
    ],
)
def test_what_is_no_header_is_refused(value: object, words: str) -> None:
    with pytest.raises(Refused, match=words):
        Headers().read(value)


def test_a_secret_that_cannot_be_a_header_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_KEY", "s3cret\nx: y")
    with pytest.raises(Refused) as raised:
        Headers().read({"a": "${BILLING_KEY}"})
    assert "s3cret" not in raised.value.message
