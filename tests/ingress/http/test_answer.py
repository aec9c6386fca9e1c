"""What is written beforehand is written again when its time has come."""

from __future__ import annotations

from dragoman.ingress.http import answer


class Moving:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.at = 1_767_225_600.0

    def monotonic(self) -> float:
        return self.at

    def now(self) -> float:
        return self.at


def test_the_date_changes_with_the_second() -> None:
    clock = Moving()
    now = answer.Now(clock)
    assert now.date(clock.at) == b"date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    clock.at += 1.5
    assert now.date(clock.at) == b"date: Thu, 01 Jan 2026 00:00:01 GMT\r\n"


def test_the_timestamp_changes_with_the_millisecond() -> None:
    clock = Moving()
    now = answer.Now(clock)
    assert now.timestamp() == "2026-01-01T00:00:00.000Z"
    clock.at += 0.25
    assert now.timestamp() == "2026-01-01T00:00:00.250Z"


def test_a_problem_is_a_whole_response() -> None:
    assert answer.problem(429, b"{}", b"retry-after: 1\r\n", b"") == (
        b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/problem+json\r\ncontent-length: 2\r\n"
        b"retry-after: 1\r\n\r\n{}"
    )
    assert answer.problem(499, b"{}").startswith(b"HTTP/1.1 499 Client Closed Request\r\n")
    assert answer.problem(599, b"{}").startswith(b"HTTP/1.1 599 \r\n")


def test_a_response_may_have_no_body() -> None:
    assert answer.no_content(b"allow: GET\r\n") == b"HTTP/1.1 204 No Content\r\nallow: GET\r\n\r\n"


def test_a_chunk_says_its_size() -> None:
    assert answer.chunk(b"x" * 17) == b"11\r\n" + b"x" * 17 + b"\r\n"
