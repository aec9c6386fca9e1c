import os
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from dragoman.cli.lines import items
from dragoman.cli.outcome import Stop


@contextmanager
def pipe(data: bytes) -> Generator[int]:
    read, write = os.pipe()
    os.write(write, data)
    os.close(write)
    try:
        yield read
    finally:
        os.close(read)


def test_each_line_is_a_value_and_the_last_needs_no_end() -> None:
    with pipe(b'1\n\n{"a": [null]}\r\n"x"') as descriptor:
        assert list(items(descriptor)) == [1, {"a": [None]}, "x"]


def test_a_line_that_is_no_value_is_named_by_its_number() -> None:
    with pipe(b"1\n\nNaN\n") as descriptor:
        values = items(descriptor)
        assert next(values) == 1
        with pytest.raises(Stop, match="line 3 of standard input"):
            next(values)


def test_a_line_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.cli.lines.LINE_BYTES_MAX", 4)
    with pipe(b"12345678") as descriptor, pytest.raises(Stop, match="longer than 4 bytes"):
        list(items(descriptor))
