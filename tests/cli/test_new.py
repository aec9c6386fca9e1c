import json
import re
from pathlib import Path

from dragoman import cli
from dragoman.cli.starters import TRIES
from tests.cli.commandline import dragoman, starters


@starters
def test_the_command_that_a_new_project_is_shown_with_works(tmp_path: Path, language: str) -> None:
    done = dragoman("new", "shop", "--language", language, cwd=tmp_path)
    assert done.returncode == 0
    assert b"made shop/dragoman.toml" in done.stdout
    assert TRIES[language].encode() in done.stdout
    function, text = TRIES[language].split(" ", 1)
    called = dragoman("call", function, text.strip("'"), cwd=tmp_path / "shop")
    assert called.returncode == 0, called.stderr


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = dragoman("new", tmp_path)
    assert done.returncode == 2
    assert re.search(rb"is not empty", done.stderr)


def test_json_names_the_files(tmp_path: Path) -> None:
    told = json.loads(dragoman("new", "shop", "--json", cwd=tmp_path).stdout)
    assert (tmp_path / "shop/dragoman.toml").exists()
    assert "shop/dragoman.toml" in told["files"]


def test_every_template_can_be_asked_for() -> None:
    folders = (Path(cli.__file__).parent / "templates").iterdir()
    assert {folder.name for folder in folders} == set(TRIES)
