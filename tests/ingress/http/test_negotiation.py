"""Headers decide about codecs and forms, the same way every time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.call import Codec
from dragoman.core.target import Target
from dragoman.ingress.http.negotiation import Form, Shape, plan, shape_of

UNARY = Shape(streaming=False, raw_input=False, raw_output=False)
STREAM = Shape(streaming=True, raw_input=False, raw_output=False)
RAW = Shape(streaming=False, raw_input=True, raw_output=True)


@pytest.mark.parametrize(
    ("content_type", "codec"),
    [
        (b"", Codec.JSON),
        (b"application/json", Codec.JSON),
        (b"Application/JSON; charset=utf-8", Codec.JSON),
        (b"application/merge-patch+json", Codec.JSON),
        (b"application/msgpack", Codec.MSGPACK),
        (b"application/x-msgpack", Codec.MSGPACK),
    ],
)
def test_a_body_is_read_by_its_type(content_type: bytes, codec: Codec) -> None:
    chosen = plan(content_type, b"", UNARY)
    assert (chosen.problem, chosen.codec) == (None, codec)


@pytest.mark.parametrize("content_type", [b"text/plain", b"application/xml", b"multipart/form-data; boundary=x", b"x"])
def test_other_types_are_refused_with_what_is_taken(content_type: bytes) -> None:
    problem = plan(content_type, b"", UNARY).problem
    assert problem is not None
    assert (problem[0], "application/json" in problem[1]) == (415, True)


def test_raw_bytes_go_only_to_functions_that_take_them() -> None:
    assert plan(b"application/octet-stream", b"", UNARY).problem is not None
    assert plan(b"application/octet-stream", b"", RAW).codec is Codec.BYTES


def test_the_reply_comes_in_the_codec_of_the_body_unless_asked_otherwise() -> None:
    assert plan(b"application/msgpack", b"", UNARY).reply_codec is Codec.MSGPACK
    assert plan(b"application/msgpack", b"application/json", UNARY).reply_codec is Codec.JSON
    assert plan(b"", b"application/msgpack", UNARY).reply_codec is Codec.MSGPACK
    assert plan(b"application/octet-stream", b"*/*", RAW).reply_codec is Codec.BYTES


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (b"", Form.LINES),
        (b"*/*", Form.LINES),
        (b"text/event-stream", Form.EVENTS),
        (b"application/jsonl", Form.LINES),
        (b"application/json", Form.ARRAY),
        (b"application/msgpack", Form.JOINED),
        (b"text/event-stream;q=0.5, application/json;q=0.9", Form.ARRAY),
        (b"text/html, */*;q=0.1", Form.LINES),
        (b"text/*", Form.EVENTS),
    ],
)
def test_a_stream_comes_in_the_form_that_is_wanted_most(accept: bytes, form: Form) -> None:
    assert plan(b"", accept, STREAM).form is form


def test_what_is_not_acceptable_is_refused_with_what_there_is() -> None:
    for accept in (b"text/html", b"application/json;q=0", b"image/*"):
        problem = plan(b"", accept, UNARY).problem
        assert problem is not None
        assert problem[0] == 406
        assert "application/json" in problem[1]


def test_the_type_that_is_asked_for_is_the_type_that_is_named() -> None:
    assert plan(b"", b"application/x-ndjson", STREAM).content_type == b"application/x-ndjson"
    assert plan(b"", b"application/x-msgpack", UNARY).content_type == b"application/msgpack"


def test_the_shape_is_that_of_the_target() -> None:
    target = Target("a.b", "a", "b", 0, 1.0, streaming=True, raw_output=True)
    assert shape_of(target) == Shape(streaming=True, raw_input=False, raw_output=True)


@given(st.binary(max_size=60), st.binary(max_size=60), st.sampled_from([UNARY, STREAM, RAW]))
def test_any_headers_get_a_plan_or_a_problem(content_type: bytes, accept: bytes, shape: Shape) -> None:
    chosen = plan(content_type, accept, shape)
    assert chosen.problem is None or chosen.problem[0] in {406, 415}
