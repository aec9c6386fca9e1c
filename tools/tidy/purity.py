"""Purity: only `config` reads the environment, only the system clock reads the time, only one place draws at random.

What is passed in can be set in a test: tests jump in time, they never sleep. The exceptions stand in one table, each
with its reason.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tools.tidy.finding import Finding
from tools.tidy.project import Module, Project


@dataclass
class Rule:
    """Names that only `homes` may use; `exceptions` are further modules or packages, each with the reason why."""

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
    exceptions={
        "dragoman.guest": "reads the few variables that its host set for this worker",
        "dragoman.sandbox.keeper": "gives a forked entry the environment that was ordered for it, and no other",
        "dragoman.sandbox.probe": "tells which variables a worker can see",
    },
)

TIME = Rule(
    names=frozenset(
        {f"time.{name}{unit}" for name in ("time", "monotonic", "perf_counter", "process_time") for unit in ("", "_ns")}
        | {"datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"}
    ),
    what="reads the time",
    remedy="take a dragoman.core.clock.Clock",
    homes=("dragoman.core.clock",),
    exceptions={
        "dragoman.guest": "a worker's main module has no caller to pass a clock, and two reads per call to pay for",
        "dragoman.sandbox.forkserver": "runs in a zygote, where it waits for the kernel and not for a test",
        "dragoman.sandbox.spawner": "the main module of a process that must start in milliseconds",
        "dragoman.sandbox.tree": "runs in spawner and keeper, where it waits for the kernel and not for a test",
    },
)

RULES = (ENVIRONMENT, TIME)


def check_purity(project: Project) -> Iterator[Finding]:
    """Find uses of the world outside the modules that own them."""
    for rule in RULES:
        for module, line, name in _find_strangers(project, rule):
            if not is_within(module.name, tuple(rule.exceptions)):
                yield Finding(module.path, line, f"{name} {rule.what}", rule.remedy)


def find_unused_exceptions(project: Project) -> Iterator[str]:
    """Find exceptions that no module is in need of any more."""
    for rule in RULES:
        strangers = [module.name for module, _, _ in _find_strangers(project, rule)]
        for exception in rule.exceptions:
            if not any(is_within(name, (exception,)) for name in strangers):
                yield f"{exception} no longer {rule.what}"


def _find_strangers(project: Project, rule: Rule) -> Iterator[tuple[Module, int, str]]:
    for module in project.package:
        if not is_within(module.name, rule.homes):
            yield from ((module, line, name) for line, name in find_uses(module, rule.names))


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
