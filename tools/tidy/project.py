"""The repository as the checks see it: modules with their text, tree and lines of code, and nothing imported.

Lines of code are the rows that carry a token of code; comments, blank lines and docstrings are free, so that nobody
saves on an explanation to stay under a limit.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FREE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One Python file; `path` is relative to the repository, `name` its dotted name."""

    path: str
    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, self.path)

    @cached_property
    def tokens(self) -> list[tokenize.TokenInfo]:
        """The tokens, comments included."""
        return list(tokenize.generate_tokens(io.StringIO(self.text).readline))

    @cached_property
    def rows(self) -> frozenset[int]:
        """The numbers of the lines that hold code."""
        tree = self.tree
        code: set[int] = set()
        for token in self.tokens:
            if token.type not in FREE:
                code.update(range(token.start[0], token.end[0] + 1))
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Module | ast.ClassDef | Function)
                and ast.get_docstring(node, clean=False) is not None
            ):
                docstring = node.body[0]
                code.difference_update(range(docstring.lineno, (docstring.end_lineno or 0) + 1))
        return frozenset(code)

    @cached_property
    def functions(self) -> list[Function]:
        """Every function and method, nested ones too."""
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    @property
    def stem(self) -> str:
        """The file's name without `.py`."""
        return Path(self.path).stem

    @property
    def is_facade(self) -> bool:
        """True for an `__init__`."""
        return self.stem == "__init__"

    def size(self, node: Function) -> int:
        """Lines of code of one function, from `def` to its last line."""
        return sum(node.lineno <= row <= (node.end_lineno or 0) for row in self.rows)


@dataclass(frozen=True)
class Project:
    """A repository."""

    root: Path

    def read(self, folder: str) -> list[Module]:
        """The modules under one folder of the repository; none where it does not exist."""
        top = self.root / folder
        found = (path for path in sorted(top.rglob("*.py")) if not _made(path.relative_to(top)))
        return [self._load(path) for path in found]

    @cached_property
    def package(self) -> list[Module]:
        """The modules that users install."""
        return self.read("src")

    @cached_property
    def tooling(self) -> list[Module]:
        """What stands beside the package and is kept to the same sizes and names."""
        return self.read("tools") + self.read("bench")

    @cached_property
    def tests(self) -> list[Module]:
        """The tests."""
        return self.read("tests")

    def __iter__(self) -> Iterator[Module]:
        """Every module of the repository's own."""
        yield from self.package
        yield from self.tooling
        yield from self.tests

    def _load(self, path: Path) -> Module:
        relative = path.relative_to(self.root)
        parts = relative.with_suffix("").parts
        name = ".".join(parts[1:] if parts[0] == "src" else parts)
        return Module(relative.as_posix(), name.removesuffix(".__init__"), path.read_text(encoding="utf-8"))


def _made(path: Path) -> bool:
    """Whether a file lies in a folder of what is built or fetched, as `.build` is."""
    return any(part.startswith(".") for part in path.parts)
