import io
from contextlib import redirect_stdout

import pytest

from dragoman.cli.reply import Printer
from dragoman.core.fault import DataLoss


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def printed(body: bytes) -> bytes:
    raw = io.BytesIO()
    with redirect_stdout(Terminal(raw)) as terminal:
        Printer(compact=True).encoded(body, raw=True)
        terminal.flush()
        return raw.getvalue()


def test_bytes_that_are_no_text_are_kept_from_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(b"\x00\xff") == b""
    assert "2 bytes that are no text" in capsys.readouterr().err
    assert printed(b"\x1b[31m") == b""
    assert printed("line é\n".encode()) == "line é\n".encode()


def test_values_become_json_as_functions_write_it(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    printer = Printer(compact=True)
    printer.value({"data": b"\xff", "n": 2**70})
    printer.item("é")
    printer.value(b"raw")
    assert capsysbinary.readouterr().out == b'{"data":"/w==","n":1180591620717411303424}\n"\xc3\xa9"\nraw'


def test_what_json_cannot_say_is_a_fault() -> None:
    with pytest.raises(DataLoss, match="cannot be shown as JSON"):
        Printer(compact=True).value(float("nan"))


def test_a_problem_after_items_is_marked_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer(compact=True)
    printer.problem("{}")
    printer.item(1)
    printer.problem("{}")
    assert capsys.readouterr().out == '{}\n1\n{"problem":{}}\n'
