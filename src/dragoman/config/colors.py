"""Whether a terminal is to be drawn on in colours: what the environment says about it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def wanted(variables: Mapping[str, str] | None = None) -> bool:
    """False where `NO_COLOR` is set to anything (no-color.org), or the terminal is one that knows no colours.

    Args:
        variables: The environment; the process's own where it is None.
    """
    found = os.environ if variables is None else variables
    return not found.get("NO_COLOR") and found.get("TERM", "") != "dumb"
