"""Names: modules and classes say what they are, in words that a user of the domain would use."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePath

from tools.tidy.finding import Finding
from tools.tidy.project import Module, Project

VAGUE_MODULES = frozenset({"base", "common", "helper", "helpers", "manager", "misc", "types", "util", "utils"})
VAGUE_ENDINGS = ("Manager", "Handler", "Impl", "Data", "Helper")


def check_names(project: Project) -> Iterator[Finding]:
    """Refuse names that would fit anything."""
    for module in project.package + project.tooling:
        yield from _check_module(module)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and node.name.endswith(VAGUE_ENDINGS):
                yield Finding(
                    module.path, node.lineno, f"class {node.name} has a vague ending", "use the noun a user would say"
                )


def _check_module(module: Module) -> Iterator[Finding]:
    path = PurePath(module.path)
    own = path.parent.name if module.is_facade else path.stem
    if own.strip("_") in VAGUE_MODULES:
        yield Finding(module.path, 1, f"a module named {own!r} says nothing", "name the one noun that it holds")
