"""The demo's own parts: what it asks is what the example offers, and it reads HTTP rightly."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dragoman.config.load import load

if TYPE_CHECKING:
    from types import ModuleType

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("examples_demo", EXAMPLES / "demo.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["examples_demo"] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


def test_every_source_of_the_project_is_called(demo: ModuleType) -> None:
    project = load([EXAMPLES / "market"])
    assert {name.partition(".")[0] for name in demo.CALLS} == set(project.sources)
    assert set(project.functions) <= set(demo.CALLS)


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n3.75", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n3.75", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", True),
    ],
)
def test_an_answer_is_whole_when_all_of_it_is_there(demo: ModuleType, answer: bytes, *, whole: bool) -> None:
    assert demo.is_whole(answer) is whole


def test_a_long_answer_is_shortened_to_one_line(demo: ModuleType) -> None:
    assert demo.short('{"mean": 1.23456789}\n{"mean": 2}\n') == '{"mean": 1.2345} {"mean": 2}'
    assert demo.short("x" * 100) == "x" * 59 + "…"
