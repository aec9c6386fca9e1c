"""What a user may set about the native ingress."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NativeOptions:
    """The native ingress. Times are seconds, sizes bytes.

    `listen` are addresses, `unix:///run/x.sock` or `tcp+tls://host:port`; none means that there is no such ingress.
    `users` and `group` may use the UNIX sockets besides the host's own user and root. `token_file` holds what clients
    over TCP must show. `tls_cert` and `tls_key` are PEM files; both or neither are set. `calls_max` counts for one
    connection. `handshake_timeout_s` bounds how long a client may take to introduce itself, `frame_timeout_s` how long
    a frame may take to come in whole, `write_timeout_s` how long replies may be left unread. `debug` puts tracebacks of
    user code into faults.
    """

    listen: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    group: str = ""
    token_file: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    body_bytes_max: int = 16 * 1024 * 1024
    connections_max: int = 2000
    calls_max: int = 1024
    handshake_timeout_s: float = 10.0
    frame_timeout_s: float = 30.0
    write_timeout_s: float = 30.0
    debug: bool = False
