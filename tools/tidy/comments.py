"""Comments: every switched-off check says why, and no diary of things to do stays in the code."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from itertools import pairwise

from tools.tidy.finding import Finding
from tools.tidy.project import Project

DIARY = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
SWITCH = re.compile(r"#\s*(?:ruff:\s*)?(?:noqa|type:\s*ignore|pyright:|pragma:|fmt:\s*off)", re.IGNORECASE)
REASONED = re.compile(
    r"""\#\s*(?:
        (?:ruff:\s*)?noqa:\s[A-Z]+[0-9]+(?:,\s?[A-Z]+[0-9]+)*
        | pyright:\signore\[\w+(?:,\s?\w+)*\]
        | pyright:\s\w+=\w+
        | pragma:\sno\s(?:cover|branch)
    )\s-\s\S.{2,}""",
    re.VERBOSE,
)
"""At least three letters: `NaN` may be a reason, `ok` is none."""


def check_comments(project: Project) -> Iterator[Finding]:
    """Read every comment of the repository."""
    for module in project:
        for token in module.tokens:
            if token.type == tokenize.COMMENT:
                yield from _check_comment(module.path, token.start[0], token.string)


def _check_comment(path: str, line: int, comment: str) -> Iterator[Finding]:
    if word := DIARY.search(comment):
        yield Finding(path, line, f"{word[0]} in the code", "do it, or open an issue")
    for switch in _switches(comment):
        if not REASONED.match(switch):
            yield Finding(path, line, "a check is switched off without a reason", "write `# noqa: RULE - why`")


def _switches(comment: str) -> list[str]:
    starts = [match.start() for match in SWITCH.finditer(comment)]
    return [comment[start:end] for start, end in pairwise([*starts, len(comment)])]
