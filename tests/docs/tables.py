"""The tables of a page, found by their heads, so that a test can hold them against the code."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]


def read_table(page: str, *head: str) -> list[list[str]]:
    """Give the rows of the table with exactly these column names, each cell as it is written, backticks and all.

    `page` is a path below the repository. Raises `AssertionError` where there is no such table, or more than one.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    tables = [block for block in text.split("\n\n") if block.lstrip().startswith("|")]
    found = [rows for rows in map(_rows, tables) if rows[0] == list(head)]
    assert len(found) == 1, f"{page} has {len(found)} tables with the columns {', '.join(head)}"
    return found[0][2:]


def bare(cell: str) -> str:
    """A cell that is one piece of code, without its backticks."""
    assert cell.startswith("`"), f"{cell} is not code"
    assert cell.endswith("`"), f"{cell} is not code"
    return cell.strip("`")


def _rows(block: str) -> list[list[str]]:
    return [_cells(line) for line in block.strip().splitlines()]


def _cells(line: str) -> list[str]:
    shielded = line.strip().strip("|").replace("\\|", "\0")
    return [cell.strip().replace("\0", "|") for cell in shielded.split("|")]
