"""How the C library keeps freed memory, for a process that is ours alone: `dragoman serve`.

glibc gives a freed megabyte back at once, and each page of the next one is faulted in again: 0.7 ms of the 1.0 that a
body of 1 MB takes through a warm worker. A host keeps up to 16 MB instead. A program that opens a project inside itself
is left as it is: its memory is its own affair.
"""

from __future__ import annotations

MMAP_THRESHOLD_BYTES = 4 * 1024 * 1024
TRIM_THRESHOLD_BYTES = 16 * 1024 * 1024
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def keep_freed_memory() -> bool:
    """Set both thresholds for this process; False where the C library has no `mallopt` (musl)."""
    import ctypes  # noqa: PLC0415 - 3 ms, which only a server pays, after it is ready

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES) and mallopt(_M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES))
