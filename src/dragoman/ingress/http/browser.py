"""Pages that point a name of their own at this machine, and so call what listens only here (DNS rebinding).

To the browser such a page and this host are one site, so nothing but the name in `Host` gives it away. A server on a
loopback address is meant for programs of this machine, which say `localhost` or an address; a name that anybody can
register, together with the server's own port, comes from such a page. Requests through a proxy name the proxy's port
or its upstream and pass, as do tools that send no `Origin` with a POST, whatever they call this machine.
"""

from __future__ import annotations

PRIVATE = (b"localhost", b"local", b"internal", b"test", b"arpa")
"""Last labels that nobody can register (RFC 6761, RFC 6762, RFC 8375)."""


def rebound(method: bytes, headers: list[tuple[bytes, bytes]], port: int) -> bool:
    """Whether a request to a loopback address on `port` looks as if a page with a name of its own had sent it."""
    host, from_page = b"", method in (b"GET", b"HEAD")
    for name, value in headers:
        if name == b"host":
            host = value.strip()
        elif name == b"origin":
            from_page = True
    name, _, named_port = host.rpartition(b":")
    return from_page and named_port == b"%d" % port and not _is_local(name.lower().rstrip(b"."))


def _is_local(name: bytes) -> bool:
    if name.startswith(b"[") or name.replace(b".", b"").isdigit():
        return True
    _, dot, last = name.rpartition(b".")
    return not dot or last in PRIVATE
