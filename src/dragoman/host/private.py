"""The private folder that a program makes for the socket of a host that it starts as its child.

The program removes it when it closes the host. One that was killed cannot, so the host does, as it ends with it.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.wire.address import read_native

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "dragoman-"
"""How such a folder is called, by every guest library. One of another name may be somebody's for longer."""
PRIVATE = 0o700


def leave(urls: Iterable[str]) -> None:
    """Remove the private folders that these sockets were in, where nothing else is in them."""
    for url in urls:
        with suppress(ValueError, OSError):  # no socket's address; or not empty, or gone already
            path = read_native(url, port_least=0).path
            if path and is_private(Path(path).parent):
                Path(path).parent.rmdir()


def is_private(folder: Path) -> bool:
    """Whether a folder was made for one socket: by its name, and since nobody else may look into it."""
    found = folder.lstat()
    private = stat.S_IMODE(found.st_mode) == PRIVATE and found.st_uid == os.geteuid()
    return private and stat.S_ISDIR(found.st_mode) and folder.name.startswith(PREFIX)
