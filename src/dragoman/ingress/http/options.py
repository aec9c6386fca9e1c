"""What a user may set about the HTTP server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """The HTTP server. Times are seconds, sizes bytes.

    `header_timeout_s` and `body_timeout_s` bound how long a client may take to send each, `keep_alive_s` how long an
    idle connection is kept, `write_timeout_s` how long a client may leave a reply unread, `shutdown_grace_s` how long
    calls in flight may run on after SIGTERM. `tls_cert` and `tls_key` are PEM files; both or neither are set.
    `caller_header` names a header that says who calls, in place of the connection's address; it is believed.
    `enabled` is false where there is no HTTP. `debug` puts tracebacks of user code into replies.
    """

    host: str = "127.0.0.1"
    port: int = 8700
    body_bytes_max: int = 16 * 1024 * 1024
    header_bytes_max: int = 64 * 1024
    connections_max: int = 10_000
    header_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    keep_alive_s: float = 75.0
    write_timeout_s: float = 30.0
    shutdown_grace_s: float = 30.0
    tls_cert: str = ""
    tls_key: str = ""
    caller_header: str = ""
    debug: bool = False
    enabled: bool = True
