"""The task of every contestant: next to nothing, but it notes when it ran, in a file that whoever measures reads."""

import os
import struct
import time

RUN = struct.Struct("<dd")
"""When it ran, since the epoch, and how long after it was sent."""
_files: dict[str, int] = {}


def note(file: str, sent_at: float) -> None:
    """Run."""
    descriptor = _files.get(file)
    if descriptor is None:
        descriptor = _files[file] = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    now = time.time()
    os.write(descriptor, RUN.pack(now, now - sent_at))


def nothing() -> None:
    """Do nothing, for calls beside tasks."""
