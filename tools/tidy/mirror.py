"""Mirrored tests: a module with logic has a test file of its own, at the same place under tests/.

Logic is a function that does more than declare: protocols, records, enums and constructors that only store their
arguments are tested through those who use them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePath

from tools.tidy.finding import Finding
from tools.tidy.project import Function, Module, Project


def check_mirror(project: Project) -> Iterator[Finding]:
    """Look for the test file of every module with logic, in the package and in tools/."""
    tests = {module.path: module for module in project.tests}
    for module in project.package + project.read("tools"):
        if module.is_facade or not has_logic(module):
            continue
        place = mirror_place(module)
        if place not in tests:
            yield Finding(module.path, 1, "no test file mirrors this module", f"add {place}")
        elif not any(function.name.startswith("test_") for function in tests[place].functions):
            yield Finding(place, 1, "no test in this file", "test a behaviour of the module that it mirrors")


def mirror_place(module: Module) -> str:
    """Where a module's tests belong: `src/dragoman/wire/frame.py` has `tests/wire/test_frame.py`."""
    path = PurePath(module.path)
    room = path.parent.parts[2:] if path.parts[0] == "src" else path.parent.parts
    return PurePath("tests", *room, f"test_{path.stem.strip('_')}.py").as_posix()


def has_logic(module: Module) -> bool:
    """True where some function does more than declare or store."""
    return any(not all(_is_declaration(step) for step in function.body) for function in module.functions)


def _is_declaration(step: ast.stmt) -> bool:
    if isinstance(step, ast.Expr):
        return isinstance(step.value, ast.Constant) or _is_super_init(step.value)
    if isinstance(step, ast.Assign | ast.AnnAssign):
        targets = step.targets if isinstance(step, ast.Assign) else [step.target]
        return all(isinstance(target, ast.Attribute) for target in targets) and isinstance(
            step.value, ast.Name | ast.Constant | ast.Attribute | None
        )
    return isinstance(step, ast.Pass | Function)


def _is_super_init(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func) == "super().__init__"
