"""What is shown: plain lines and compact JSON for programs, colours and tables only on a terminal.

rich is imported where it draws, and nowhere else.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from dragoman.config.colors import wanted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

HIGHLIGHTED_BYTES_MAX = 256 * 1024
"""Larger JSON is printed without colours: nobody reads it all, and drawing it takes seconds."""


def on_terminal(stream: TextIO | None = None) -> bool:
    """Whether a person looks at the stream (standard output by default)."""
    return (stream or sys.stdout).isatty()


def colored(stream: TextIO | None = None) -> bool:
    """Whether to use colours there."""
    return on_terminal(stream) and wanted()


def console(stream: TextIO | None = None) -> Console:
    """A rich console on the stream."""
    from rich.console import Console  # noqa: PLC0415 - see above

    target = stream or sys.stdout
    return Console(file=target, no_color=not colored(target), highlight=False, markup=False, emoji=False)


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: int = 0) -> None:
    """A table on a terminal, else lines whose columns are parted by tabs. The last `right` columns are numbers."""
    if not on_terminal():
        for row in rows:
            sys.stdout.write("\t".join(printable(cell) for cell in row) + "\n")
        return
    from rich.table import Table  # noqa: PLC0415 - see above

    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, heading in enumerate(headings):
        numeric = position >= len(headings) - right
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(printable(cell) for cell in row))
    console().print(table)


def show_json(text: str, *, compact: bool) -> None:
    """One JSON value: as it is, or laid out and coloured where a person looks."""
    if compact or not on_terminal() or len(text) > HIGHLIGHTED_BYTES_MAX:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    else:
        console().print_json(text, ensure_ascii=False)


def printable(text: str) -> str:
    """Text from elsewhere, fit for a terminal: what would move its cursor or change its colours is spelled out."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode() for char in text
    )
