"""The page that a worker shares with its host to say which call it began last.

Calls may be sent to a fast worker ahead of time. When it dies, this page tells the ones that ran (`started: yes`) from
the ones that did not, which are then simply given to another worker. Eight bytes written by one side and read by the
other after its death: nothing to lock. The host reads with `pread`: a worker that truncates a mapped page would kill
it by SIGBUS.
"""

from __future__ import annotations

import os
import struct

PAGE_BYTES = 4096
_CALL_ID = struct.Struct("<Q")


class Progress:
    """The host's view of one worker's page."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("dragoman-progress", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, PAGE_BYTES)

    def last_started(self) -> int:
        """The id of the call that the worker began last; 0 before the first."""
        word = os.pread(self.fd, _CALL_ID.size, 0)
        return _CALL_ID.unpack(word)[0] if len(word) == _CALL_ID.size else 0

    def close(self) -> None:
        """Let go of the page."""
        os.close(self.fd)
