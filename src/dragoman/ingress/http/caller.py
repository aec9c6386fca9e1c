"""Who calls, where a header says so: behind a proxy every connection has the proxy's address.

The header is believed. It must be one that the proxy sets itself, in place of any that the client may have sent.
"""

from __future__ import annotations

import hashlib

from dragoman.ingress.http.head import PERSONAL

CALLER_BYTES_MAX = 128
"""Longer ones are known by their digest: callers are kept in tables."""
DIGEST_BYTES = 16


def caller_in(headers: list[tuple[bytes, bytes]], header: bytes) -> str:
    """The caller that the header of this name, in lower case, names; empty without one.

    Of several the values count together (RFC 9110 §5.3). A secret, as in `Authorization`, becomes its digest.
    """
    values = [value for name, value in headers if name == header]
    value = b", ".join(values)
    if len(value) > CALLER_BYTES_MAX or (header in PERSONAL and value):
        return hashlib.blake2b(value, digest_size=DIGEST_BYTES).hexdigest()
    return value.decode("latin-1")
