from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files, `name__ending="text"`; the folder they are in."""

    def make(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / name.replace("__", ".")
            path.write_text(textwrap.dedent(text))
            if path.suffix == ".sh":
                path.chmod(0o755)
        return tmp_path

    return make


@pytest.fixture
def own_modules() -> Iterator[None]:
    """Forget what inline sources imported into this process."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if "/dragoman/" not in (getattr(sys.modules[name], "__file__", None) or "/dragoman/"):
            del sys.modules[name]
