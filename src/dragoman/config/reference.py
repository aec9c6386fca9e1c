"""The reference page's tables, from the settings themselves: `python -m dragoman.config.reference TABLE`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dragoman.config import drill, settings
from dragoman.config.environment import VARIABLES
from dragoman.config.languages import MODES
from dragoman.config.layers import TABLES, TASK
from dragoman.config.setting import ALL, UPSTREAM

if TYPE_CHECKING:
    from dragoman.config.setting import Setting

PARTS = {
    "project": settings.PROJECT,
    "origin": settings.ORIGIN,
    "service": settings.SERVICE,
    "build": settings.BUILD,
    "forks": settings.FORKS,
    "program": settings.PROGRAM,
    "functions": settings.FUNCTION,
    "pool": settings.POOL,
    "limits": settings.LIMITS,
    "http": settings.HTTP,
    "native": settings.NATIVE,
    "shared": settings.SHARED,
    "tasks": settings.TASKS,
    "task": TASK,
    "queues": settings.QUEUE,
    "schedules": settings.SCHEDULE,
    **TABLES,
}
DRILLS = {"drill": drill.DRILL, "drill-step": drill.STEP, "drill-calls": drill.LOAD, "drill-event": drill.EVENT}


def render(part: str) -> str:
    """One table in Markdown. Raises `KeyError` for a part that is none of `PARTS`, `DRILLS` or `environment`."""
    if part == "environment":
        rows = [(f"`{each.name}`", each.kind.words(), each.about) for each in VARIABLES]
        return _markdown(("Variable", "Values", "Meaning"), rows)
    known = DRILLS[part] if part in DRILLS else PARTS[part]
    moded = len({setting.modes for setting in known}) > 1
    head = ("Setting", "Values", "Default", *(("Modes",) if moded else ()), "Meaning")
    return _markdown(head, [_row(setting, moded=moded) for setting in known])


def _row(setting: Setting, *, moded: bool) -> tuple[str, ...]:
    modes = "all" if setting.modes == ALL else ", ".join(mode for mode in (*MODES, UPSTREAM) if mode in setting.modes)
    return (
        f"`{setting.key}`",
        setting.kind.words(),
        setting.default,
        *((modes,) if moded else ()),
        setting.about,
    )


def _markdown(head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    names = tuple(head)
    lines = [names, ("---",) * len(names), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(render(sys.argv[1]))
