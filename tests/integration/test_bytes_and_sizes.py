"""Bytes, large integers and bounds, from a caller to a worker and back."""

import threading
from pathlib import Path

import pytest

import dragoman

SOURCE = """\
from collections.abc import Iterator

def echo(data: bytes) -> bytes:
    return data

def parts(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b"ab"

def power(base: int, exponent: int) -> int:
    return base**exponent

async def later(base: int, exponent: int) -> int:
    return base**exponent
"""
PROJECT = """\
[project]
name = "bytes"

[sources.raw]
path = "raw.py"
workers = 1

[sources.small]
path = "raw.py"
body_max = "1KB"

[sources.upper]
command = ["tr", "a-z", "A-Z"]
stdin = "body"
stdout = "bytes"

[sources.open_files]
command = ["ls", "/proc/self/fd"]
stdout = "text"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "raw.py").write_text(SOURCE)
    (folder / "dragoman.toml").write_text(PROJECT)
    return folder


def test_bytes_travel_raw_and_by_the_parameters_own_name(folder: Path) -> None:
    with dragoman.open(folder) as project:
        assert project.raw.echo(data=b"\x00\xff") == b"\x00\xff"
        assert project.raw.echo(b"\x00\xff") == b"\x00\xff"
        with pytest.raises(dragoman.InvalidArgument):
            project.raw.echo(other=b"\x00")
        assert project.raw.parts(count=2) == [b"ab", b"ab"]
        assert project.upper(b"raw") == b"RAW"


def test_an_integer_past_64_bits_comes_back_exactly(folder: Path) -> None:
    with dragoman.open(folder) as project:
        assert project.raw.power(base=2, exponent=100) == 2**100
        assert project.raw.later(base=-2, exponent=101) == -(2**101)
        assert project.raw.power(base=2**70, exponent=1) == 2**70


def test_a_source_refuses_bodies_past_its_own_bound(folder: Path) -> None:
    with dragoman.open(folder) as project:
        assert len(project.small.echo(data=bytes(1000))) == 1000
        with pytest.raises(dragoman.InvalidArgument, match="body_max"):
            project.small.echo(data=bytes(2000))


def test_a_program_gets_no_descriptor_but_its_three(folder: Path) -> None:
    with dragoman.open(folder) as project:
        numbers = project.open_files().split()
    assert numbers == ["0", "1", "2", "3"], "3 is the folder that ls itself reads"


def test_a_busy_thread_does_not_starve_another(folder: Path) -> None:
    with dragoman.open(folder) as project:
        stop = threading.Event()

        def hog() -> None:
            while not stop.is_set():
                project.raw.power(base=3, exponent=9)

        thread = threading.Thread(target=hog)
        thread.start()
        try:
            for _ in range(20):
                assert project.call("raw.power", {"base": 2, "exponent": 2}, timeout=5) == 4
        finally:
            stop.set()
            thread.join()
