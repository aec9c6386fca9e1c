from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from dragoman.generate.writing import MARK, Source, boxable, heading, quoted, told


def test_blocks_indent_and_comments_wrap() -> None:
    source = Source("  ")
    with source.block("if {"):
        source.comment(["word " * 30, "second"], "//")
        source.add("x", "")
    text = source.text()
    assert text.startswith("if {\n  // word")
    assert text.endswith("  //\n  // second\n  x\n\n}\n")
    assert max(map(len, text.splitlines())) <= 100


def test_a_box_of_one_line_is_one_line() -> None:
    source = Source()
    source.boxed(["one */ line"])
    source.boxed([])
    source.boxed(["a", "b"])
    assert source.text() == "/** one * / line */\n/**\n * a\n *\n * b\n */\n"


def test_what_is_indented_keeps_its_form() -> None:
    assert told(["a\n    code  here", "b"], 80) == ["a", "    code  here", "", "b"]


def test_a_heading_is_one_line_of_ours() -> None:
    line = heading("a\nb", "1.0")
    assert line.startswith(MARK)
    assert "\n" not in line


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_quoted_text_reads_back_the_same(text: str) -> None:
    assert json.loads(quoted(text, "", "\\u{:04x}")) == text
    assert quoted(text).isascii()


@given(st.text())
def test_nothing_ends_a_box(text: str) -> None:
    assert "*/" not in boxable(text)
    assert "\\" not in boxable(text)
