from typing import TYPE_CHECKING

import pytest

from tools.tidy.facades import LAZY_ROOMS, check_facades

if TYPE_CHECKING:
    from tests.tools.conftest import MakeProject

FACADE = '"""Says what it holds."""\n\nfrom pkg.room.thing import Thing\n\n__all__ = ["Thing"]\n'
LAZY = (
    '"""Says what it holds."""\n\nfrom importlib import import_module\n\nHOMES = {"Thing": "pkg.room.thing"}\n\n\n'
    "def __getattr__(name: str) -> object:\n    return getattr(import_module(HOMES[name]), name)\n"
)


def test_a_docstring_and_exports_are_a_facade(make_project: "MakeProject") -> None:
    assert not list(check_facades(make_project({"src/pkg/room/__init__.py": FACADE})))


def test_an_init_without_docstring_is_found(make_project: "MakeProject") -> None:
    assert [finding.what for finding in check_facades(make_project({"src/pkg/room/__init__.py": ""}))] == [
        "no docstring"
    ]


@pytest.mark.parametrize(
    "step", ["def work(): ...", "class A: ...", "x = 1", "print()", "if x:\n    import os", "for x in y: ..."]
)
def test_an_init_that_does_something_is_found_with_its_line(make_project: "MakeProject", step: str) -> None:
    findings = list(check_facades(make_project({"src/pkg/room/__init__.py": f'"""What."""\n{step}\n'})))
    assert [finding.line for finding in findings] == [2]


def test_only_the_top_level_package_exports_lazily_and_rooms_that_are_named(
    make_project: "MakeProject", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LAZY_ROOMS, "pkg.other", "for a reason")
    project = make_project(
        {"src/pkg/__init__.py": LAZY, "src/pkg/room/__init__.py": LAZY, "src/pkg/other/__init__.py": LAZY}
    )
    assert {finding.path for finding in check_facades(project)} == {"src/pkg/room/__init__.py"}


def test_imports_for_the_type_checker_are_exports_too(make_project: "MakeProject") -> None:
    text = '"""What."""\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg.room.thing import Thing\n'
    assert not list(check_facades(make_project({"src/pkg/__init__.py": text})))
