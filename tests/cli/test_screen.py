import io
from collections.abc import Callable
from contextlib import redirect_stdout

import pytest

from dragoman.cli import screen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def colors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


def drawn(draw: Callable[[], None]) -> str:
    with redirect_stdout(Terminal()) as terminal:
        draw()
    return terminal.getvalue()


def test_json_is_laid_out_and_coloured_where_a_person_looks(colors: None) -> None:
    shown = drawn(lambda: screen.show_json('{"a":[1]}', compact=False))
    assert "\x1b[" in shown
    assert shown.count("\n") > 3


def test_json_for_programs_is_left_as_it_is(colors: None) -> None:
    assert drawn(lambda: screen.show_json('{"a":[1]}', compact=True)) == '{"a":[1]}\n'


def test_no_color_is_respected(colors: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in drawn(lambda: screen.show_json('{"a":[1]}', compact=False))
    assert not screen.colored(Terminal())


def test_a_table_is_drawn_on_a_terminal(colors: None) -> None:
    heading, row = drawn(lambda: screen.show_table(("name", "n"), [("one [b]", "1")], right=1)).splitlines()[:2]
    assert "name" in heading
    assert "one [b]" in row


def test_a_table_is_lines_of_tabs_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    screen.show_table(("name", "n"), [("one\x1b", "1"), ("two", "2")])
    assert capsys.readouterr().out == "one\\x1b\t1\ntwo\t2\n"


@pytest.mark.parametrize(
    ("text", "shown"), [("é ü\tok", "é ü\tok"), ("a\nb", "a\\nb"), ("\x9b31m\u202e", "\\x9b31m\\u202e")]
)
def test_what_would_steer_a_terminal_is_spelled_out(text: str, shown: str) -> None:
    assert screen.printable(text) == shown
