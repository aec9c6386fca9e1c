"""The address of a native ingress, `unix:///run/x.sock` or `tcp+tls://host:port`, as hosts and clients write it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

UNIX, TLS = "unix://", "tcp+tls://"
PATH_BYTES_MAX = 107
"""What a UNIX socket's address holds on Linux (`sun_path`, 108 bytes with the zero at the end)."""
PORT_MAX = 65535


class NativeAddress(NamedTuple):
    """Where a native ingress is: the `path` of a UNIX socket, or else a `host` and a `port`, spoken to with TLS."""

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.path:
            return UNIX + self.path
        return f"{TLS}{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def is_native(url: str) -> bool:
    """Whether an address is meant for a native ingress, right or wrong."""
    return url.startswith(("unix:", "tcp:", "tcp+tls:"))


def read_native(url: str, *, port_least: int = 1) -> NativeAddress:
    """Read an address. `port_least` is 0 where the system may choose the port.

    Raises:
        ValueError: It is none; the message says what is wrong and what to write.
    """
    if url.startswith(UNIX):
        return NativeAddress(path=_path(url))
    if url.startswith(TLS):
        return _tls(url, port_least)
    if url.startswith("tcp:"):
        raise _wrong(url, "TCP is spoken with TLS only; for this machine alone a UNIX socket does without")
    raise _wrong(url, "it does not begin with unix:// or tcp+tls://")


def _path(url: str) -> str:
    path = url.removeprefix(UNIX)
    if not path.startswith("/"):
        raise _wrong(url, "the path of a socket begins with a slash, as in unix:///run/dragoman.sock")
    if "\0" in path or not path.strip("/") or path.endswith("/"):
        raise _wrong(url, "that path is no file's")
    size = len(path.encode("utf-8", "surrogateescape"))
    if size > PATH_BYTES_MAX:
        raise _wrong(url, f"its path has {size} bytes, and the system takes {PATH_BYTES_MAX}; choose a shorter one")
    return path


def _tls(url: str, port_least: int) -> NativeAddress:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _wrong(url, str(error)) from None
    if not host or port is None:
        raise _wrong(url, "it needs a host and a port, as in tcp+tls://127.0.0.1:8701")
    if not port_least <= port <= PORT_MAX:
        raise _wrong(url, f"its port is not between {port_least} and {PORT_MAX}")
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        raise _wrong(url, "there is more in it than a host and a port")
    return NativeAddress(host=host, port=port)


def _wrong(url: str, problem: str) -> ValueError:
    return ValueError(f"{url[:200]!a} is no address of a native ingress: {problem}")
