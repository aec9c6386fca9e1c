import click
import pytest

from dragoman.cli.options import DURATION


@pytest.mark.parametrize(("text", "seconds"), [("250ms", 0.25), ("2s", 2.0), ("1.5m", 90.0)])
def test_a_duration_is_written_as_in_the_project_file(text: str, seconds: float) -> None:
    assert DURATION.convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "5", "0s", "-1s", "nan", "1 year"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        DURATION.convert(text, None, None)
