from typing import Any

import pytest

from dragoman.queues.headers import short, size_of, text_of


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a"),
        (b"\xc3\xb6", "ö"),
        (b"\xff", "\ufffd"),
        (True, "true"),
        (3, "3"),
        (0.5, "0.5"),
        ([1], None),
        (None, None),
    ],
)
def test_what_brokers_carry_is_text_or_nothing(value: Any, expected: str | None) -> None:
    assert text_of(value) == expected


def test_the_size_of_headers_is_that_of_their_bytes_and_more() -> None:
    assert size_of({"ö": "öö"}) >= 6


def test_an_id_that_is_too_long_is_a_hash_and_the_same_each_time() -> None:
    assert short("id", 10) == "id"
    assert short("i" * 300, 255) == short("i" * 300, 255) != short("j" * 300, 255)
    assert len(short("i" * 300, 255)) == 64
