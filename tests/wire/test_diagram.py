"""The drawn tables."""

from __future__ import annotations

from pathlib import Path

from dragoman.wire.diagram import draw, page
from dragoman.wire.state import CALLER, HOST

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "wire-states.md"


def test_the_page_in_the_documentation_is_what_the_tables_say() -> None:
    hint = "run: python -m dragoman.wire.diagram > docs/reference/wire-states.md"
    assert PAGE.read_text("utf-8") == page(), hint


def test_a_table_is_drawn_as_a_mermaid_state_diagram() -> None:
    lines = draw(CALLER).splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> idle"]
    assert "    idle --> waiting: !CALL" in lines
    assert "    done --> [*]" in lines


def test_every_state_is_drawn() -> None:
    text = draw(HOST)
    assert all(f"{phase.value} -->" in text for phase in HOST)
