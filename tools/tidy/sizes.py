"""Sizes: small modules, short functions, few parameters, shallow nesting.

The limits are STYLE's; the quantiles keep the usual case well below the extreme one.
"""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator

from tools.tidy.finding import Finding
from tools.tidy.project import Function, Module, Project

MODULE_LINES_MAX = 400
MODULE_LINES_MEDIAN_MAX = 150
FUNCTION_LINES_MAX = 60
FUNCTION_LINES_P90_MAX = 35
PARAMETERS_MAX = 6
PARAMETERS_EXEMPT_MAX = 7
"""With a reason on the line: a value that is built from its fields, once per call, may have one more."""
NESTING_MAX = 3

EXEMPT = re.compile(r"# noqa: [A-Z0-9, ]*PLR0913\b[A-Z0-9, ]* - \S")
BLOCKS = ast.If | ast.For | ast.AsyncFor | ast.While | ast.Try | ast.TryStar | ast.Match
"""What decides or repeats. A `with` does neither."""


def check_sizes(project: Project) -> Iterator[Finding]:
    """Hold every module to the limits, and the package to the quantiles."""
    for module in project.package + project.tooling:
        yield from _check_module(module)
    modules = [len(module.rows) for module in project.package if not module.is_facade]
    functions = sorted(module.size(function) for module in project.package for function in module.functions)
    if modules and (median := statistics.median(modules)) > MODULE_LINES_MEDIAN_MAX:
        what = f"the median module has {median:.0f} lines of code (at most {MODULE_LINES_MEDIAN_MAX})"
        yield Finding("src", 1, what, "split modules that hold more than one noun")
    if functions and (p90 := functions[int(len(functions) * 0.9)]) > FUNCTION_LINES_P90_MAX:
        what = f"one function in ten has {p90} lines of code or more (at most {FUNCTION_LINES_P90_MAX})"
        yield Finding("src", 1, what, "split functions that do more than one thing")


def _check_module(module: Module) -> Iterator[Finding]:
    if (lines := len(module.rows)) > MODULE_LINES_MAX:
        yield Finding(module.path, 1, f"{lines} lines of code (at most {MODULE_LINES_MAX})", "split the module by noun")
    for function in module.functions:
        where = (module.path, function.lineno)
        if (lines := module.size(function)) > FUNCTION_LINES_MAX:
            what = f"{function.name} has {lines} lines of code (at most {FUNCTION_LINES_MAX})"
            yield Finding(*where, what, "give its steps names of their own")
        if (depth := nesting(function)) > NESTING_MAX:
            what = f"{function.name} nests {depth} blocks deep (at most {NESTING_MAX})"
            yield Finding(*where, what, "return early, or name the inner block")
        yield from _check_parameters(module, function)


def _check_parameters(module: Module, function: Function) -> Iterator[Finding]:
    exempt = EXEMPT.search(module.text.splitlines()[function.lineno - 1])
    allowed = PARAMETERS_EXEMPT_MAX if exempt else PARAMETERS_MAX
    if (count := count_parameters(function)) > allowed:
        what = f"{function.name} takes {count} parameters (at most {allowed})"
        yield Finding(module.path, function.lineno, what, "gather what belongs together in a frozen class")


def count_parameters(function: Function) -> int:
    """The parameters that a caller may give, `self` and `cls` left out."""
    arguments = function.args
    positional = arguments.posonlyargs + arguments.args
    bound = bool(positional) and positional[0].arg in ("self", "cls")
    return len(positional) + len(arguments.kwonlyargs) - bound


def nesting(node: ast.AST) -> int:
    """How deep blocks stand inside one another; `elif` stands beside its `if`, a nested function on its own."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef | ast.Lambda):
            continue
        step = isinstance(child, BLOCKS) and not _is_elif(node, child)
        deepest = max(deepest, step + nesting(child))
    return deepest


def _is_elif(parent: ast.AST, child: ast.AST) -> bool:
    return (
        isinstance(parent, ast.If)
        and isinstance(child, ast.If)
        and parent.orelse == [child]
        and parent.col_offset == child.col_offset
    )
