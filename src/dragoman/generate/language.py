"""The languages that clients are written in: how each is printed, formatted and laid out in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.generate import golang, java, python, rust, typescript
from dragoman.generate.formatting import Formatter
from dragoman.generate.loss import CHOICES, NUMBERS, ROWS

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.generate.model import Record, Surface

_ALL = frozenset({ROWS, CHOICES, NUMBERS})


def _never(_: Record) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Language:
    """`render` gives the text of each file by its path, from a surface, the package's name and our version.

    `sayable` and `odd` are what `losses` asks for.
    """

    name: str
    render: Callable[[Surface, str, str], dict[str, str]]
    formatter: Formatter | None
    sayable: frozenset[str] = _ALL
    odd: Callable[[Record], bool] = _never


_PRETTIER = Formatter(
    "prettier",
    ("--no-config", "--no-editorconfig", "--print-width=100", "--stdin-filepath={name}"),
    "npm install --save-dev prettier",
)
_RUFF = Formatter(
    "ruff", ("format", "--isolated", "--line-length=100", "--stdin-filename={name}", "-"), "pip install ruff"
)
_RUSTFMT = Formatter("rustfmt", ("--edition=2021", "--emit=stdout", "--quiet"), "rustup component add rustfmt")
_GOFMT = Formatter("gofmt", (), "it comes with Go: https://go.dev/dl")
LANGUAGES = {
    each.name: each
    for each in (
        Language("go", golang.render, _GOFMT, frozenset({NUMBERS}), golang.odd),
        Language("java", java.render, None, frozenset(), java.odd),
        Language("node", typescript.render_node, _PRETTIER),
        Language("python", python.render, _RUFF, odd=python.odd),
        Language("rust", rust.render, _RUSTFMT, frozenset({ROWS, NUMBERS})),
        Language("typescript", typescript.render, _PRETTIER),
    )
}
