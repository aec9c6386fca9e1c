"""The Markdown pages of the repository, read with a real parser: fences, comments, links and headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from markdown_it.token import Token

SKIPPED = {"node_modules", "build", "dist", "report"}


class Fence(NamedTuple):
    """A fenced block: its language, its text, its first line, and the comment right before it (empty: none)."""

    language: str
    text: str
    line: int
    comment: str


class Link(NamedTuple):
    """A link or an image, as written."""

    target: str
    line: int


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> Page:
        """Read a page from disk."""
        return cls(path, path.read_text(encoding="utf-8"))

    @cached_property
    def _tokens(self) -> list[Token]:
        return MarkdownIt("commonmark").enable("table").parse(self.text)

    @property
    def fences(self) -> Iterator[Fence]:
        """The fenced blocks in order, those inside lists too."""
        comment = ""
        for token in self._tokens:
            if token.type == "fence":
                yield Fence(token.info.strip(), token.content, _line(token), comment)
                comment = ""
            elif token.type == "html_block" and token.content.lstrip().startswith("<!--"):
                comment = token.content.strip().removeprefix("<!--").removesuffix("-->").strip()
            elif not token.type.endswith("_close"):
                comment = ""

    @property
    def links(self) -> Iterator[Link]:
        """Every link and image."""
        for token in self._tokens:
            for inner in token.children or []:
                target = inner.attrGet("href") or inner.attrGet("src")
                if target:
                    yield Link(str(target), _line(token))

    @cached_property
    def anchors(self) -> frozenset[str]:
        """The fragments that links may point to, as GitHub makes them from headings."""
        slugs: list[str] = []
        headings = (
            after for token, after in zip(self._tokens, self._tokens[1:], strict=False) if token.type == "heading_open"
        )
        for heading in headings:
            words = "".join(inner.content for inner in heading.children or [] if inner.type in ("text", "code_inline"))
            slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            slugs.append(f"{slug}-{slugs.count(slug)}" if slug in slugs else slug)
        return frozenset(slugs)


def read_pages(root: Path) -> list[Page]:
    """Every page of the repository; hidden folders and built things are left out."""
    return [Page.read(path) for path in sorted(root.rglob("*.md")) if not _is_skipped(path.relative_to(root))]


def _is_skipped(path: Path) -> bool:
    return any(part in SKIPPED or part.startswith(".") for part in path.parts[:-1])


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 1
