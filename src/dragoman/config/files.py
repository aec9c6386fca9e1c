"""Reading a user's file: whole, bounded, and only if it is one; a pipe or a device would keep the reader waiting."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from dragoman.config.problem import Refused

if TYPE_CHECKING:
    from pathlib import Path


def read_file(path: Path, bytes_max: int) -> bytes:
    """The content of a regular file. Raises `Refused`, as the end of a sentence that begins with its name."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            message = f"cannot be read: it is {'a folder' if path.is_dir() else 'no regular file'}"
            raise Refused(message)
        with path.open("rb") as stream:
            content = stream.read(bytes_max + 1)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise Refused(message) from None
    except ValueError as error:
        message = f"cannot be read: {error}"
        raise Refused(message) from None
    if len(content) > bytes_max:
        message = f"is larger than {bytes_max // 1024}KB"
        raise Refused(message)
    return content
