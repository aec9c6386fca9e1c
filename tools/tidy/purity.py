"""Purity: only `config` reads the environment, only the system clock reads the time, only one place draws at random.

What is passed in can be set in a test: tests jump in time, they never sleep. The exceptions stand in one table, each
with its reason, and one that is no longer used is itself a finding.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tools.tidy.finding import Finding
from tools.tidy.project import Module, Project


@dataclass(frozen=True)
class Rule:
    """Names that only `homes` may use; `exceptions` are further modules, each with the reason why."""

    names: frozenset[str]
    what: str
    remedy: str
    homes: tuple[str, ...]
    exceptions: dict[str, str]


ENVIRONMENT = Rule(
    names=frozenset({"os.environ", "os.environb", "os.getenv", "os.getenvb"}),
    what="reads the environment",
    remedy="take the value as an option that dragoman.config fills",
    homes=("dragoman.config",),
    exceptions={},
)

TIME = Rule(
    names=frozenset(
        {f"time.{name}{unit}" for name in ("time", "monotonic", "perf_counter", "process_time") for unit in ("", "_ns")}
        | {"datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"}
    ),
    what="reads the time",
    remedy="take a dragoman.core.clock.Clock",
    homes=("dragoman.core.clock",),
    exceptions={},
)

RULES = (ENVIRONMENT, TIME)


def check_purity(project: Project) -> Iterator[Finding]:
    """Find uses of the world outside the modules that own them, and exceptions that nobody needs."""
    for rule in RULES:
        yield from _check_rule(project, rule)


def _check_rule(project: Project, rule: Rule) -> Iterator[Finding]:
    used: set[str] = set()
    for module in project.package:
        if is_within(module.name, rule.homes):
            continue
        for line, name in find_uses(module, rule.names):
            if module.name not in rule.exceptions:
                yield Finding(module.path, line, f"{name} {rule.what}", rule.remedy)
            used.add(module.name)
    for name in rule.exceptions.keys() - used:
        yield Finding("tools/tidy/purity.py", 1, f"{name} no longer {rule.what}", "remove its exception")


def is_within(name: str, homes: tuple[str, ...]) -> bool:
    """True where a module is one of the homes or beneath it."""
    return any(name == home or name.startswith(f"{home}.") for home in homes)


def find_uses(module: Module, names: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Find where dotted names are used, whatever they were imported as."""
    local = dict(_imported(module))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            full = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute):
            full = [_resolve(node, local)]
        else:
            continue
        yield from ((node.lineno, name) for name in full if name in names)


def _imported(module: Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname or alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def _resolve(node: ast.Attribute, local: dict[str, str]) -> str:
    first, dot, rest = ast.unparse(node).partition(".")
    return local.get(first, first) + dot + rest
