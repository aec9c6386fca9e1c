from pathlib import Path
from typing import Any

import pytest

from dragoman.cli.generating import Wanted, made, package_of
from dragoman.cli.outcome import Stop
from dragoman.contract.function import Contract


def wanted(language: str, package: str | None = None) -> Wanted:
    options: dict[str, Any] = {"big_integers": False, "check": False, "as_json": False}
    return Wanted(language=language, out="Some Folder", package=package, **options)


@pytest.mark.parametrize(
    ("language", "package", "name"),
    [
        ("go", None, "some_folder"),
        ("go", "orders", "orders"),
        ("java", None, "my_shop"),
        ("java", "org.acme", "org.acme"),
        ("python", None, "some_folder"),
    ],
)
def test_a_package_is_named_by_the_option_the_folder_or_the_project(
    language: str, package: str | None, name: str
) -> None:
    assert package_of(wanted(language, package), Path("Some Folder"), "my shop") == name


def test_a_contract_that_is_no_schema_is_named() -> None:
    with pytest.raises(Stop, match=r"s\.f: its contract cannot be read: "):
        made("s", {"s.f": Contract("f", output={"type": 5})}, wanted("go"))


def test_what_the_language_cannot_say_is_told() -> None:
    either = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    _, notes = made("s", {"s.f": Contract("f", output=either)}, wanted("java"))
    assert notes == ["s.f: the output: it is one of several types that no tag tells apart, so it is any value"]
