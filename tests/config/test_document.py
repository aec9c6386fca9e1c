from pathlib import Path

import pytest

from dragoman.config.document import FILE_BYTES_MAX, PROBLEMS_MAX, Document, dotted
from dragoman.config.kinds import Whole
from dragoman.config.problem import ConfigError
from dragoman.config.setting import Setting

FILE = Path("/shop/dragoman.toml")
KNOWN = (
    Setting("size", Whole(0, 9), "1", "A size."),
    Setting("workers.min", Whole(0, 9), "1", "A bound.", short=True),
    Setting("workers.max", Whole(0, 9), "1", "A bound.", short=True),
    Setting("recycle.calls", Whole(0, 9), "1", "A rule."),
)


def parse(text: str) -> Document:
    return Document.parse(FILE, text.encode())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = \n", "/shop/dragoman.toml:1:5: is not TOML: Invalid value"),
        (b"a = 1\nb = [1,\n", "/shop/dragoman.toml:3:1: is not TOML: "),
        (b"a = 1\na = 2\n", "/shop/dragoman.toml:2:"),
        (b"a = 1\n\nb = '\xff'\n", "/shop/dragoman.toml:3: is not UTF-8"),
        (b"a = " + b"[" * 100_000, "/shop/dragoman.toml: is nested too deep"),
        (b"a = " + b"9" * 10_000, "/shop/dragoman.toml: is not TOML: "),
        (b"#" * (FILE_BYTES_MAX + 1), "/shop/dragoman.toml: holds 1048577 bytes"),
    ],
)
def test_what_is_not_toml_is_refused_with_its_place(content: bytes, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Document.parse(FILE, content)
    assert str(error.value).startswith(message)


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert Document.parse(FILE, b"\xef\xbb\xbfa = 1\n").tables == {"a": 1}


@pytest.mark.parametrize(
    "text",
    [
        "[t]\nworkers = { min = 2, max = 3 }",
        "[t]\nworkers.min = 2\nworkers.max = 3",
        "[t.workers]\nmin = 2\nmax = 3",
    ],
)
def test_an_inner_table_is_read_however_it_is_written(text: str) -> None:
    document = parse(text)
    values = document.read(("t",), KNOWN)
    assert {key: value.value for key, value in values.items()} == {"workers.min": 2, "workers.max": 3}
    assert values["workers.max"].path == ("t", "workers", "max")
    assert document.problems == []


def test_a_number_of_workers_sets_both_ends() -> None:
    values = parse("[t]\nworkers = 4").read(("t",), KNOWN)
    assert {key: value.value for key, value in values.items()} == {"workers.min": 4, "workers.max": 4}


def test_everything_wrong_is_noted_with_its_line_and_what_is_right_is_kept() -> None:
    document = parse("[t]\nsize = 3\nsiez = 1\n\nworkers = { mni = 2, max = 30 }\nrecycle = 3\n[t.other]\n")
    values = document.read(("t",), KNOWN)
    assert {key: value.value for key, value in values.items()} == {"size": 3}
    assert [(each.line, each.key, each.message) for each in sorted(document.problems)] == [
        (3, "t.siez", "unknown key; did you mean 'size'?"),
        (5, "t.workers.max", "expected a whole number from 0 to 9, found the integer 30"),
        (5, "t.workers.mni", "unknown key; did you mean 'min'?"),
        (6, "t.recycle", "expected a table, found the integer 3"),
        (7, "t.other", "unknown key; known here: size, workers, recycle"),
    ]
    with pytest.raises(ConfigError):
        document.finish()


def test_a_file_that_is_wrong_all_over_is_given_up_on() -> None:
    document = parse("[t]\n" + "\n".join(f"k{number} = 1" for number in range(50_000)))
    with pytest.raises(ConfigError) as error:
        document.read(("t",), KNOWN)
    assert len(error.value.problems) == PROBLEMS_MAX


def test_a_quoted_key_with_a_dot_is_not_the_key_of_an_inner_table() -> None:
    document = parse('[t]\n"workers.min" = 2\n')
    assert document.read(("t",), KNOWN) == {}
    assert [each.key for each in document.problems] == ['t."workers.min"']


def test_a_value_where_a_table_should_be_is_refused() -> None:
    document = parse("t = 3")
    assert document.read(("t",), KNOWN) == {}
    assert [each.message for each in document.problems] == ["expected a table, found the integer 3"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("a", "b-c", "d"), "a.b-c.d"),
        (("functions", "stats.x", "timeout"), 'functions."stats.x".timeout'),
        (("command", 2), "command[2]"),
        (('say "hi"',), '"say \\"hi\\""'),
        (("x" * 500,), '"' + "x" * 200 + '…"'),
    ],
)
def test_a_path_is_written_as_toml_writes_it(path: tuple[str | int, ...], text: str) -> None:
    assert dotted(path) == text
