"""Trace context is read exactly as the W3C asks, and nothing a caller sends can break the reader."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dragoman.core.call import Trace
from dragoman.telemetry.trace import MEMBERS_MAX, STATE_CHARS_MAX, Tracer, format_parent, parse

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
PARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


def counted() -> Tracer:
    numbers = itertools.count(1)
    return Tracer(lambda size: next(numbers).to_bytes(size, "big"))


def ids(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size).filter(any)


def test_a_valid_parent_is_read() -> None:
    trace = parse(PARENT, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")
    assert trace is not None
    assert (trace.trace_id.hex(), trace.span_id.hex(), trace.flags) == (TRACE_ID, SPAN_ID, 1)
    assert trace.state == "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-0A",
        f"00-{TRACE_ID}-{SPAN_ID}",
        f"00-{TRACE_ID}-{SPAN_ID}-01-",
        f"00-{TRACE_ID}-{SPAN_ID}-01-what",
        f"00-{TRACE_ID}-{SPAN_ID}-1",
        f"00-{TRACE_ID[1:]}-{SPAN_ID}-01",
        f"0-{TRACE_ID}-{SPAN_ID}-01",
        f"01-{TRACE_ID}-{SPAN_ID}-01what",
        f"cc-{TRACE_ID}-{SPAN_ID}-01.what",
        f"{PARENT}\n",
        f" {PARENT}",
        f"{PARENT},{PARENT}",
        PARENT.replace("4", "٤"),
        "\ud800",
    ],
)
def test_an_invalid_parent_is_as_if_it_had_not_come(header: str) -> None:
    assert parse(header, "a=b") is None


@pytest.mark.parametrize("rest", ["", "-", "-what-the-future-brings"])
def test_a_version_of_the_future_is_read_by_what_is_known(rest: str) -> None:
    trace = parse(f"cc-{TRACE_ID}-{SPAN_ID}-01{rest}")
    assert trace is not None
    assert format_parent(trace) == PARENT


def test_flags_without_a_meaning_are_not_passed_on() -> None:
    trace = parse(f"00-{TRACE_ID}-{SPAN_ID}-ff")
    assert trace is not None
    assert trace.flags == 0x03


@given(ids(16), ids(8), st.integers(0, 3))
def test_what_is_written_reads_back(trace_id: bytes, span_id: bytes, flags: int) -> None:
    trace = parse(format_parent(Trace(trace_id, span_id, flags)))
    assert trace is not None
    assert (trace.trace_id, trace.span_id, trace.flags) == (trace_id, span_id, flags)


@given(
    st.text() | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{30,34}-[0-9a-f]{15,17}-[0-9a-f]{2}(-.*)?"),
    st.text() | st.from_regex(r"([a-z]=[!-~]*,){0,40}"),
)
@example(PARENT, "," * 100_000)
@example(PARENT, "a=b," * 100_000)
@example("0" * 1_000_000, "")
def test_any_headers_are_read_or_passed_over(traceparent: str, tracestate: str) -> None:
    trace = parse(traceparent, tracestate)
    if trace is not None:
        assert any(trace.trace_id)
        assert any(trace.span_id)
        assert len(trace.state) <= STATE_CHARS_MAX
        assert parse(format_parent(trace), trace.state) is not None


@pytest.mark.parametrize(
    ("state", "passed_on"),
    [
        ("a=1,b=2", "a=1,b=2"),
        (" a=1 ,\tb=2 ,, ", "a=1,b=2"),
        ("0tenant@system=x", "0tenant@system=x"),
        ("a=1,a=2", ""),
        ("A=1", ""),
        ("a", ""),
        ("a=", ""),
        ("a=1=2", ""),
        ("a=é", ""),
        ("a=1\r\nX-Evil: 1", ""),
        (f"a={'x' * 257}", ""),
        (",".join(f"k{n}=1" for n in range(MEMBERS_MAX)), ",".join(f"k{n}=1" for n in range(MEMBERS_MAX))),
        (",".join(f"k{n}=1" for n in range(MEMBERS_MAX + 1)), ""),
    ],
)
def test_state_is_passed_on_when_it_is_valid(state: str, passed_on: str) -> None:
    trace = parse(PARENT, state)
    assert trace is not None
    assert trace.state == passed_on


def test_state_that_is_too_long_loses_its_long_entries_first_then_the_last_ones() -> None:
    short = [f"k{n}={'x' * 60}" for n in range(7)]
    trace = parse(PARENT, ",".join([f"long={'y' * 200}", *short, "last=1"]))
    assert trace is not None
    assert trace.state == ",".join([*short, "last=1"])
    trace = parse(PARENT, ",".join(f"k{n}={'x' * 100}" for n in range(10)))
    assert trace is not None
    assert trace.state == ",".join(f"k{n}={'x' * 100}" for n in range(4))


def test_a_caller_with_a_trace_is_continued_by_a_span_of_our_own() -> None:
    span = counted().enter(PARENT, "a=1")
    assert span is not None
    assert span.trace_id.hex() == TRACE_ID
    assert span.span_id == (1).to_bytes(8, "big")
    assert (span.flags, span.state) == (1, "a=1")


@pytest.mark.parametrize("header", [None, "", "nonsense"])
def test_a_caller_without_a_trace_gets_none_unless_it_is_sampled(header: str | None) -> None:
    assert counted().enter(header, "a=1") is None
    sampled = Tracer(lambda size: b"\x07" * size, lambda: True).enter(header, "a=1")
    assert sampled is not None
    assert (sampled.trace_id, sampled.span_id, sampled.flags, sampled.state) == (b"\x07" * 16, b"\x07" * 8, 3, "")


def test_an_id_is_never_all_zeros() -> None:
    root = Tracer(bytes).root()
    assert parse(format_parent(root)) is not None


def test_a_tracer_says_whether_it_starts_traces_by_itself() -> None:
    assert not Tracer(bytes).sampling
    assert Tracer(bytes, lambda: False).sampling
