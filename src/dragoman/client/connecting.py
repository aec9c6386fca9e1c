"""`dragoman.connect`: a host by its address, over HTTP or in the wire's own frames."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from dragoman.client.native import NativeEndpoint
from dragoman.client.value import GATHERED_BYTES_MAX
from dragoman.wire.address import is_native, read_native

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dragoman.client.native_remote import NativeRemote
    from dragoman.client.remote import Remote

ALPN = "dragoman/1"


def connect(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    token: str = "",
    verify: ssl.SSLContext | str | Path | bool = True,
    reply_bytes_max: int = GATHERED_BYTES_MAX,
) -> Remote | NativeRemote:
    """Connect to a host: `dragoman.connect("unix:///run/shop.sock")`, `dragoman.connect("http://127.0.0.1:8700")`.

    Nothing is sent before the first call. Use the result as it is and `close()` it, in `with`, or in `async with` for
    calls to await.

    Args:
        url: The host's address. `http://` or `https://`; a path in it is put before every request's own. Or that of a
            native ingress, `unix:///path` or `tcp+tls://host:port`.
        headers: For HTTP: sent with every request, for whatever stands before the host (`Authorization`,
            `traceparent`).
        token: For a native ingress over TCP: what the host asks for.
        verify: For `https://` and `tcp+tls://`: the system's certificates (True), a file of certificates in PEM, an
            `ssl.SSLContext`, or no check at all (False).
        reply_bytes_max: The largest reply that is read, in bytes; for a stream that is iterated over, the largest item.

    Raises:
        ValueError: The address is none, or is of another kind than an option beside it.
        OSError: The certificates cannot be read.
    """
    if is_native(url):
        if headers:
            message = "headers are for http:// addresses; a native ingress has none"
            raise ValueError(message)
        from dragoman.client.native_remote import NativeRemote  # noqa: PLC0415 - each way without the other's imports

        address = read_native(url)
        tls = None if address.path else tls_of(verify)
        return NativeRemote(NativeEndpoint(address, token, tls, reply_bytes_max))
    if token:
        message = "token is for tcp+tls:// addresses; over HTTP use headers"
        raise ValueError(message)
    from dragoman.client.endpoint import endpoint  # noqa: PLC0415 - as above
    from dragoman.client.remote import Remote  # noqa: PLC0415 - as above

    return Remote(endpoint(url, headers=headers, verify=verify, reply_bytes_max=reply_bytes_max))


def tls_of(verify: ssl.SSLContext | str | Path | bool) -> ssl.SSLContext:  # noqa: FBT001 - as `connect` takes it
    """The context of a client. Raises `OSError` for certificates that cannot be read."""
    if isinstance(verify, ssl.SSLContext):
        return verify
    try:
        context = ssl.create_default_context(cafile=None if isinstance(verify, bool) else str(verify))
    except ssl.SSLError as error:
        message = f"{verify} holds no certificates that can be read (PEM is expected): {error}"
        raise OSError(message) from None
    context.set_alpn_protocols([ALPN])
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
