"""Names of functions for a shell's completion: read from the project's files, without running any of them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from dragoman.config.load import load
from dragoman.config.problem import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.config.project import Source

SOURCE_BYTES_MAX = 2 * 1024 * 1024
"""Parsing more would keep the person who pressed the key waiting."""


def known_functions(project: str | None) -> list[str]:
    """The functions of a project, or of the current folder's, as far as they can be told; none where there is none."""
    try:
        sources = load([project] if project else []).sources
    except ConfigError:
        return []
    return sorted(name for source in sources.values() for name in _functions(source))


def _functions(source: Source) -> list[str]:
    if source.upstream is not None and not source.alone:
        return []
    if source.path is None:
        return [source.name]
    file = source.path / "__init__.py" if source.path.is_dir() else source.path
    return [f"{source.name}.{name}" for name in offered(file)]


def offered(file: Path) -> list[str]:
    """The public functions of a Python file whose parameters are all annotated, and those marked by `@function`."""
    try:
        content = file.read_bytes()
        tree = ast.parse(content) if len(content) <= SOURCE_BYTES_MAX else ast.Module([], [])
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [node.name for node in found if _is_offered(node)]


def _is_offered(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if any("function" in ast.unparse(decorator) for decorator in node.decorator_list):
        return True
    given = node.args
    parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    annotated = all(parameter is None or parameter.annotation is not None for parameter in parameters)
    return annotated and not node.name.startswith("_")
