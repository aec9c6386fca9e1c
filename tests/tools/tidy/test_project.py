import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.tools.conftest import MakeProject

MODULE = '''\
"""A docstring,
of two lines."""

# a comment

import os


def add(a: int, b: int) -> int:
    """Add."""
    # why
    text = """three
    lines of
    text"""
    return a + b + len(text) + len(os.sep)
'''


def test_comments_blank_lines_and_docstrings_are_no_code(make_project: "MakeProject") -> None:
    module = make_project({"src/pkg/room/thing.py": MODULE}).package[0]
    assert sorted(module.rows) == [6, 9, 12, 13, 14, 15]


def test_a_function_is_measured_from_def_to_its_last_line(make_project: "MakeProject") -> None:
    module = make_project({"src/pkg/room/thing.py": MODULE}).package[0]
    assert [module.size(function) for function in module.functions] == [5]
    assert isinstance(module.functions[0], ast.FunctionDef)


def test_modules_are_named_as_they_are_imported(make_project: "MakeProject") -> None:
    project = make_project({"src/pkg/__init__.py": "", "src/pkg/room/thing.py": "", "tools/own.py": ""})
    assert [module.name for module in project] == ["pkg", "pkg.room.thing", "tools.own"]


def test_a_folder_that_does_not_exist_holds_no_modules(make_project: "MakeProject") -> None:
    assert make_project({}).package == []
