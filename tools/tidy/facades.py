"""Facades: an `__init__` says what its package is and re-exports; it implements nothing.

The top-level package may export lazily (PEP 562), so that `import dragoman` in a worker does not load an HTTP client,
and so may those of `LAZY_ROOMS`, each for a reason of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.tidy.finding import Finding
from tools.tidy.project import Project

LAZY = ("__getattr__", "__dir__")
LAZY_ROOMS = {"dragoman.policies": "public, and a host imports only the layers that its project has set"}


def check_facades(project: Project) -> Iterator[Finding]:
    """Read every `__init__` of the package."""
    for module in project.package:
        if not module.is_facade:
            continue
        if ast.get_docstring(module.tree) is None:
            yield Finding(module.path, 1, "no docstring", "say in one sentence what the package holds")
        lazy = "." not in module.name or module.name in LAZY_ROOMS
        for step in module.tree.body:
            if not (_is_facade_step(step) or (lazy and _is_lazy_step(step))):
                yield Finding(
                    module.path,
                    step.lineno,
                    "an __init__ only re-exports",
                    "move this to a module named after its noun",
                )


def _is_facade_step(step: ast.stmt) -> bool:
    if isinstance(step, ast.Import | ast.ImportFrom):
        return True
    if isinstance(step, ast.Expr):
        return isinstance(step.value, ast.Constant)
    if isinstance(step, ast.Assign | ast.AnnAssign):
        targets = step.targets if isinstance(step, ast.Assign) else [step.target]
        return all(isinstance(target, ast.Name) and target.id.startswith("__") for target in targets)
    return (
        isinstance(step, ast.If)
        and ast.unparse(step.test) == "TYPE_CHECKING"
        and all(isinstance(inner, ast.Import | ast.ImportFrom) for inner in step.body)
    )


def _is_lazy_step(step: ast.stmt) -> bool:
    if isinstance(step, ast.FunctionDef):
        return step.name in LAZY
    return isinstance(step, ast.Assign | ast.AnnAssign) and isinstance(step.value, ast.Dict)
