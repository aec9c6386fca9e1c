"""The states of a task drawn for the documentation, from the table that the code runs on: `python -m …`."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from dragoman.tasks.state import ENDS, TRANSITIONS, State, Step


def draw(table: Mapping[State, Mapping[Step, State]] = TRANSITIONS) -> str:
    """The table as a Mermaid state diagram. Where several steps lead the same way they share an arrow."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.PENDING}: submit", f"    [*] --> {State.SCHEDULED}: submit, later"]
    for state, steps in table.items():
        ways: dict[State, list[str]] = {}
        for step, after in steps.items():
            ways.setdefault(after, []).append(step.value.replace("_", " "))
        lines += [f"    {state} --> {after}: {', '.join(words)}" for after, words in ways.items()]
    lines += [f"    {state} --> [*]" for state in State if state in ENDS]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(f"```mermaid\n{draw()}```\n")
