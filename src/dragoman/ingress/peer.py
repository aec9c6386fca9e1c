"""Who is at the other end of a connection, as far as its socket says."""

from __future__ import annotations

from typing import Any

MAPPED = "::ffff:"
"""IPv4 addresses as sockets of both families show them (RFC 4291 §2.5.5.2)."""


def address_of(peername: Any) -> str:
    """The address in a transport's `peername`, always the same for one client; empty where there is none."""
    if not isinstance(peername, tuple) or not peername:
        return ""
    address = str(peername[0])  # pyright: ignore[reportUnknownArgumentType] - of a family, and so a shape, of its own
    return address.removeprefix(MAPPED) if "." in address else address
