import pytest

from dragoman.config.kinds import Duration, Flag, Names, Size, Text, Whole
from dragoman.config.measures import Codes, Json, Rate, share
from dragoman.config.notation import VALUE_CHARS_MAX, noted, text
from dragoman.config.setting import Setting
from dragoman.core.fault import Code


@pytest.mark.parametrize(
    ("kind", "value", "as_json", "on_a_line"),
    [
        (Duration("1ms", "1d"), 0.25, "250ms", "250ms"),
        (Duration("1ms", "1d"), 0.0, None, "none"),
        (Duration("1ms", "1d", off=True), 0.0, "0s", "0s"),
        (Size(1, 2**40), 65536, "64KB", "64KB"),
        (Rate(), 0.5, "30/m", "30/m"),
        (Rate(), 0.0, None, "none"),
        (Whole(0, 9), 3, 3, "3"),
        (Whole(0, 9), 0, 0, "0"),
        (Whole(1, 9), 0, None, "none"),
        (share(), 0.5, 0.5, "0.5"),
        (Flag(), True, True, "true"),
        (Text(), "x.y", "x.y", "x.y"),
        (Text(), "", None, "none"),
        (Names(Text()), ("a", "b"), ["a", "b"], '["a", "b"]'),
        (
            Codes(),
            frozenset({Code.UNAVAILABLE, Code.ABORTED}),
            ["ABORTED", "UNAVAILABLE"],
            '["ABORTED", "UNAVAILABLE"]',
        ),
        (Json(), b'{"a":[1]}', {"a": [1]}, '{"a": [1]}'),
        (Json(), b"", None, "none"),
    ],
)
def test_a_value_is_written_as_the_file_would_have_it(
    kind: object, value: object, as_json: object, on_a_line: str
) -> None:
    setting = Setting("a.b", kind, "", "")  # pyright: ignore[reportArgumentType] - each of them is a kind
    found = noted(setting, value)
    assert found == as_json
    assert text(found) == on_a_line


def test_a_long_value_is_cut() -> None:
    found = noted(Setting("a.b", Json(), "", ""), b'"' + b"x" * 1000 + b'"')
    assert isinstance(found, str)
    assert len(found) == VALUE_CHARS_MAX
