"""Programs that speak the wire themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

import dragoman

GUEST = Path(__file__).parents[3] / "examples" / "languages" / "perl" / "guest.pl"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    guest = tmp_path / "hello.pl"
    guest.write_text(GUEST.read_text())
    guest.chmod(0o700)
    (tmp_path / "dragoman.toml").write_text('[sources.hello]\npath = "hello.pl"\nlanguage = "wire"\n')
    return tmp_path


@pytest.mark.needs("perl")
def test_functions_of_any_language_are_called_like_others(folder: Path) -> None:
    with dragoman.open(folder) as project:
        assert project.hello.add(a=2**40, b=2) == 2**40 + 2
        assert project.hello.echo(value={"a": [1, None, "ü"]}) == {"a": [1, None, "ü"]}
        with pytest.raises(dragoman.Aborted, match="not now"):
            project.hello.fail(code="ABORTED", detail="not now")


@pytest.mark.needs("perl")
def test_their_input_is_checked_by_the_host(folder: Path) -> None:
    with dragoman.open(folder) as project:
        with pytest.raises(dragoman.InvalidArgument) as caught:
            project.hello.add(a="two", c=1)
        assert {breach.path for breach in caught.value.errors} >= {"/a"}


@pytest.mark.needs("perl")
def test_a_property_may_be_anything_by_the_schema_true(folder: Path) -> None:
    guest = folder / "hello.pl"
    guest.write_text(guest.read_text().replace("echo => { value => {} }", "echo => { value => JSON::PP::true }"))
    with dragoman.open(folder) as project:
        assert project.hello.echo(value=[1, None]) == [1, None]


@pytest.mark.needs("perl")
def test_what_is_no_schema_is_refused_at_the_start(folder: Path) -> None:
    guest = folder / "hello.pl"
    guest.write_text(guest.read_text().replace("output => {}", "output => { enum => 5 }"))
    refused = pytest.raises(dragoman.Unavailable, match=r"offers functions that cannot be served: 'echo', 'output': ")
    with refused, dragoman.open(folder):
        pass


def test_a_file_that_is_not_executable_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "hello.pl").write_text("")
    (tmp_path / "dragoman.toml").write_text('[sources.hello]\npath = "hello.pl"\nlanguage = "wire"\n')
    with pytest.raises(ValueError, match="chmod"), dragoman.open(tmp_path):
        pass
