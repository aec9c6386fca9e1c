import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.cli.volley import Answer, request_bytes

KNOWN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n0\r\n\r\n\n\r\n1\r\nx\r\n0\r\n\r\n"
EMPTY = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n"


@given(st.sampled_from([KNOWN, CHUNKED, EMPTY]), st.data())
def test_an_answer_is_whole_at_its_last_byte_however_it_is_cut(answer: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(1, len(answer) - 1), unique=True)))
    parts = [answer[a:b] for a, b in zip([0, *cuts], [*cuts, len(answer)], strict=True)]
    reading = Answer()
    assert [reading.feed(part) for part in parts] == [False] * (len(parts) - 1) + [True]
    assert reading.status == int(answer.split()[1])


@pytest.mark.parametrize("junk", [b"SSH-2.0\r\n\r\n", b"HTTP/1.1 no\r\n\r\n", b"x" * 70_000])
def test_what_is_no_http_is_refused(junk: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        Answer().feed(junk)


def test_the_request_keeps_a_path_before_its_own_and_no_password() -> None:
    request = request_bytes("http://me:secret@h:1/x/", "s.f", b"{}", "application/json", "*/*")
    assert request.startswith(b"POST /x/v1/call/s.f HTTP/1.1\r\nhost: h:1\r\n")
    assert b"secret" not in request
    assert request.endswith(b"content-length: 2\r\n\r\n{}")
