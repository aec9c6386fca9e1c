import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core import units


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("2s", 2.0),
        ("1m", 60.0),
        ("1h", 3600.0),
        ("1d", 86400.0),
        ("1.5s", 1.5),
        ("0s", 0.0),
        ("10 ms", 0.01),
    ],
)
def test_durations_become_seconds(text: str, seconds: float) -> None:
    assert units.duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "-1s", "1,5s", "1.s", ".5s", "1e3s", "1s2", "1 s ", "٣s", "1" * 40 + "s", "nans"]
)
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match='expected a duration such as "250ms"'):
        units.duration(text)


def test_an_unknown_unit_names_the_known_ones_or_the_right_spelling() -> None:
    with pytest.raises(ValueError, match="units are ms, s, m, h, d"):
        units.duration("3 weeks")
    with pytest.raises(ValueError, match="write 's' for 'S'"):
        units.duration("3S")
    with pytest.raises(ValueError, match="write 'KB' for 'kb'"):
        units.size("3kb")


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("64KB", 65536),
        ("2MB", 2097152),
        ("1GB", 1 << 30),
        ("1TB", 1 << 40),
        ("0.5KB", 512),
        ("7B", 7),
        (4096, 4096),
        (0, 0),
    ],
)
def test_sizes_become_bytes_in_multiples_of_1024(value: str | int, count: int) -> None:
    assert units.size(value) == count


@pytest.mark.parametrize("value", ["", "KB", "-1KB", "1 2KB", -1, "64"])
def test_what_is_no_size_is_refused_with_examples(value: str | int) -> None:
    with pytest.raises(ValueError, match='expected a size such as "64KB"'):
        units.size(value)


def test_a_size_is_whole_bytes() -> None:
    with pytest.raises(ValueError, match="not a whole number of bytes"):
        units.size("0.3B")


@pytest.mark.parametrize(("text", "per_second"), [("100/s", 100.0), ("30/m", 0.5), ("36 / h", 0.01)])
def test_rates_become_events_a_second(text: str, per_second: float) -> None:
    assert units.rate(text) == per_second


@pytest.mark.parametrize("text", ["100", "/s", "100/", "100/w", "100 s", "-1/s"])
def test_what_is_no_rate_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match='expected a rate such as "100/s"'):
        units.rate(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.25, "250ms"), (1.5, "1.5s"), (60, "1m"), (90, "90s"), (86400, "1d"), (0.0005, "0.5ms")],
)
def test_durations_are_written_in_their_largest_whole_unit(seconds: float, text: str) -> None:
    assert units.format_duration(seconds) == text


@given(st.integers(0, 10**14))
def test_a_written_duration_reads_back_to_the_microsecond(microseconds: int) -> None:
    assert round(units.duration(units.format_duration(microseconds / 1e6)) * 1e6) == microseconds


@given(st.integers(0, 1 << 60))
def test_a_written_size_reads_back(count: int) -> None:
    assert units.size(units.format_size(count)) == count


@given(st.integers(1, 10**6), st.sampled_from("smhd"))
def test_a_written_rate_reads_back_to_six_digits(count: int, unit: str) -> None:
    per_second = units.rate(f"{count}/{unit}")
    assert units.rate(units.format_rate(per_second)) == pytest.approx(per_second, rel=1e-5)


@given(st.text(max_size=60))
def test_any_text_is_a_quantity_or_a_value_error(text: str) -> None:
    for read in (units.duration, units.size, units.rate):
        with contextlib.suppress(ValueError):
            assert read(text) >= 0
