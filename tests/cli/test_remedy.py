import sys

import pytest

from dragoman.cli.remedy import missing_module, missing_program


@pytest.mark.parametrize(
    ("detail", "distribution"),
    [
        ("a.py:1: ModuleNotFoundError: No module named 'nopkg'; install it", "nopkg"),
        ("No module named 'yaml'", "pyyaml"),
        ("No module named 'sklearn.cluster'", "scikit-learn"),
        ("No module named 'google.protobuf'", "protobuf"),
        ("No module named 'a.b.c'", "a"),
    ],
)
def test_a_missing_module_is_installed_by_its_distribution(detail: str, distribution: str) -> None:
    assert missing_module(detail) == f"{sys.executable} -m pip install {distribution}"


@pytest.mark.parametrize("detail", ["", "SyntaxError", "No module named '; rm -rf /'"])
def test_no_command_is_made_up_for_anything_else(detail: str) -> None:
    assert missing_module(detail) == ""


def test_a_missing_program_is_installed_by_its_package() -> None:
    assert missing_program("jq") == "apt-get install jq"
    assert missing_program("node") == "apt-get install nodejs"
    assert missing_program("a b") == "apt-get install 'a b'"
    assert "put it there" in missing_program("./tool")
