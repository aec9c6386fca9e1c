import tomllib
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.config.positions import Positions

TEXT = '''\
# a comment = 1
top = 1
a.b."c.d" = 2           # dotted, one part quoted

[sources.stats]
path = "has # and = and ] in it"
workers = { min = 1, max = { deep = 2 } }
list = [
    1,
    "two",  # ]
    { x = 3,  y = [4] },
]
after = 1979-05-27 07:32:00
"quoted key" = 1.5
'literal' = \'\'\'
[not.a.header]
\'\'\'
basic = """
also = "not \\""" a key"
"""
last = true

[ sources . "odd name" ]
key = 1

[[many]]
x = 1
[[many]]
x = 2
[many.inner]
y = 3
[[many.nested]]
z = 4
[[many.nested]]
z = 5
'''


def line(*path: str | int) -> int:
    return Positions(TEXT).line(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("top",), 2),
        (("a", "b", "c.d"), 3),
        (("a", "b"), 3),
        (("sources",), 5),
        (("sources", "stats"), 5),
        (("sources", "stats", "path"), 6),
        (("sources", "stats", "workers", "max", "deep"), 7),
        (("sources", "stats", "list"), 8),
        (("sources", "stats", "list", 0), 9),
        (("sources", "stats", "list", 1), 10),
        (("sources", "stats", "list", 2, "y", 0), 11),
        (("sources", "stats", "after"), 13),
        (("sources", "stats", "quoted key"), 14),
        (("sources", "stats", "literal"), 15),
        (("sources", "stats", "basic"), 18),
        (("sources", "stats", "last"), 21),
        (("sources", "odd name", "key"), 24),
        (("many", 0, "x"), 27),
        (("many", 1, "x"), 29),
        (("many", 1, "inner", "y"), 31),
        (("many", 1, "nested", 0, "z"), 33),
        (("many", 1, "nested", 1, "z"), 35),
    ],
)
def test_each_key_has_the_line_it_is_written_on(path: tuple[str | int, ...], expected: int) -> None:
    assert line(*path) == expected


def test_a_key_that_is_not_there_has_the_line_of_its_nearest_parent() -> None:
    assert line("sources", "stats", "workers", "mode", "x") == 7
    assert line("nowhere", "at all") == 0


def test_lines_are_counted_alike_with_carriage_returns() -> None:
    assert Positions("a = 1\r\n\r\n[t]\r\nb = 2\r\n").line(("t", "b")) == 4


def test_what_is_nested_deeper_than_any_setting_keeps_the_line_of_its_parent() -> None:
    text = f"x = {'[' * 200}\n1\n{']' * 200}\ny = 2\n"
    positions = Positions(text)
    assert positions.line(("x", *[0] * 200)) == 1
    assert positions.line(("y",)) == 4


@given(st.text(alphabet="ab.=[]{}\"'\\,#\n 1", max_size=120))
def test_any_text_is_scanned_without_an_error_and_valid_toml_finds_every_key(text: str) -> None:
    positions = Positions(text)
    try:
        document = tomllib.loads(text)
    except ValueError:
        return
    for path in paths(document):
        assert 1 <= positions.line(path) <= text.count("\n") + 1
        assert any(part in text for part in (str(path[-1]), '"', "'")) or isinstance(path[-1], int)


@given(
    st.dictionaries(
        st.text(alphabet='ab.-" é', max_size=6),
        st.dictionaries(st.text(alphabet="cd#=[", max_size=4), st.integers(0, 9), max_size=4),
        max_size=5,
    )
)
def test_the_line_of_a_generated_key_is_the_line_it_was_generated_on(tables: dict[str, dict[str, int]]) -> None:
    lines: list[str] = []
    expected: dict[tuple[str, ...], int] = {}
    for name, table in tables.items():
        lines.append(f"[{quoted(name)}]")
        expected[name,] = len(lines)
        for key, value in table.items():
            lines.append(f"{quoted(key)} = {value}")
            expected[name, key] = len(lines)
    text = "\n".join(lines)
    assert tomllib.loads(text) == tables
    positions = Positions(text)
    assert {path: positions.line(path) for path in expected} == expected


def quoted(key: str) -> str:
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


def paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found: list[tuple[str | int, ...]] = []
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        items = list(cast("dict[str | int, Any]", value).items())
    elif isinstance(value, list):
        items = list(enumerate(cast("list[Any]", value)))
    for key, item in items:
        found += [(*path, key), *paths(item, (*path, key))]
    return found


@pytest.mark.parametrize("text", ["a = [}", "a = [ } ]", "a = [[}]]", "a = {b = [}", "a = [\n}\n"])
def test_a_brace_that_closes_nothing_does_not_hold_the_scanner_up(text: str) -> None:
    assert Positions(text).line(("a",)) == 1
