from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.queues.resp import Decoder, Malformed, Reply, RespError, pack

LINE = st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.binary(max_size=50)
    | LINE.map(lambda text: RespError("ERR " + text)),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=20,
)
ENTRY = b"*2\r\n$3\r\n1-0\r\n*2\r\n$4\r\nbody\r\n$%d\r\n%b\r\n"


def written(value: Reply) -> bytes:
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, bytes):
        return b"$%d\r\n%b\r\n" % (len(value), value)
    if isinstance(value, RespError):
        return b"-%b\r\n" % str(value).encode()
    return b"*%d\r\n" % len(value) + b"".join(map(written, value))


def plain(value: Reply) -> object:
    if isinstance(value, RespError):
        return ("error", str(value))
    return [plain(each) for each in value] if isinstance(value, list) else value


@given(st.lists(VALUES, max_size=4), st.lists(st.integers(0, 500), max_size=5))
def test_replies_are_what_was_written_however_they_are_cut(values: list[Reply], cuts: list[int]) -> None:
    data = b"".join(map(written, values))
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    decoder = Decoder()
    found = [reply for start, end in pairwise(edges) for reply in decoder.feed(data[start:end])]
    assert [plain(each) for each in found] == [plain(each) for each in values]


@given(st.binary(max_size=60), st.integers(0, 90))
def test_an_entry_of_a_stream_is_the_same_whole_or_cut(body: bytes, cut: int) -> None:
    data = b"*1\r\n" + ENTRY % (len(body), body)
    decoder = Decoder()
    assert decoder.feed(data[:cut]) + decoder.feed(data[cut:]) == [[[b"1-0", [b"body", body]]]]


def test_status_lines_and_null_arrays_are_read() -> None:
    assert Decoder().feed(b"+OK\r\n*-1\r\n*0\r\n") == [b"OK", None, []]


def test_a_large_string_in_many_pieces_is_joined_once() -> None:
    body = bytes(10_000_000)
    data = written(body)
    decoder = Decoder()
    found = [reply for at in range(0, len(data), 1000) for reply in decoder.feed(data[at : at + 1000])]
    assert found == [body]


@pytest.mark.parametrize(
    "data",
    [
        b"?1\r\n",
        b":x\r\n",
        b"$x\r\n",
        b"$-2\r\n",
        b"$+1\r\n",
        b"$99999999999999\r\n",
        b"*99999999999\r\n",
        b"$1\r\nabc",
        b"*1\r\n" * 20,
        b"x" * 70_000,
        ENTRY % (1, b"abc") + b"x",
        b"\xff\r\n",
    ],
)
def test_what_is_no_resp_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        Decoder().feed(data)


@given(st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    decoder = Decoder()
    try:
        decoder.feed(data)
    except Malformed:
        return


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5))
def test_a_command_is_an_array_of_strings(arguments: list[bytes]) -> None:
    assert Decoder().feed(pack(*arguments)) == [arguments]


def test_an_error_has_a_code() -> None:
    assert RespError("NOGROUP no such group").code == "NOGROUP"
