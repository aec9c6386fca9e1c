"""The statements, one file each in `sql/`, with what several of them have in common put in by name."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from dragoman.tasks.stores.postgres.rows import OUTLINE, SHORT, WHOLE

_PLACE = re.compile(r"\{(\w+)\}")
_COMMENT = re.compile(r"^\s*--.*\n?", re.MULTILINE)
_COLUMNS = {"whole": WHOLE, "outline": OUTLINE, "short": SHORT}


@cache
def statement(name: str) -> str:
    """The SQL of a statement."""
    return filled(read("sql", f"{name}.sql"))


def filled(text: str, **places: str) -> str:
    """A text with what stands for each name in braces: what is given, the columns of a task, or a part."""

    def fill(place: re.Match[str]) -> str:
        name = place[1]
        return places.get(name) or _COLUMNS.get(name) or statement(f"{name}.part")

    return _PLACE.sub(fill, text).strip()


def read(folder: str, name: str) -> str:
    """A file beside this module, without its comments."""
    return _COMMENT.sub("", files(__name__.rpartition(".")[0]).joinpath(folder, name).read_text(encoding="utf-8"))
