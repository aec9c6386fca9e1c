import pytest

from dragoman.config.colors import wanted


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, True),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "xterm"}, True),
    ],
)
def test_colours_are_drawn_unless_the_environment_objects(variables: dict[str, str], *, expected: bool) -> None:
    assert wanted(variables) is expected
