"""The few process attributes that only `prctl(2)` can set, on the calling process itself.

ctypes costs 3 ms to import, once, in the spawner; every keeper is forked with it in place.
"""

from __future__ import annotations

import ctypes
import os

_SET_DEATH_SIGNAL = 1
_SET_DUMPABLE = 4
_SET_NAME = 15
_SET_SUBREAPER = 36
_SET_NO_NEW_PRIVILEGES = 38

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)
_name_buffer = ctypes.create_string_buffer(16)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        message = f"prctl({option}, {value}): {os.strerror(number)}"
        raise OSError(number, message)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies. Not inherited by fork."""
    _prctl(_SET_SUBREAPER, 1)


def forbid_new_privileges() -> None:
    """No exec from here on gains rights (set-uid bits, file capabilities). Inherited, and cannot be undone."""
    _prctl(_SET_NO_NEW_PRIVILEGES, 1)


def hide_memory() -> None:
    """Keep other processes of this user from tracing this one or reading its memory. Ends at exec."""
    _prctl(_SET_DUMPABLE, 0)


def die_with_parent(signal_number: int) -> None:
    """Be sent this signal when the thread that forked this process ends. Not inherited by fork."""
    _prctl(_SET_DEATH_SIGNAL, signal_number)


def rename(name: str) -> None:
    """Show up under this name, at most 15 bytes of it, in `ps` and `/proc`."""
    _name_buffer.value = name.encode()[:15]
    _prctl(_SET_NAME, ctypes.addressof(_name_buffer))
