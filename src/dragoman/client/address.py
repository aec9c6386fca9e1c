"""The address of a host, as `dragoman.connect` takes it."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

PORT_MAX = 65535


def read_address(url: str) -> str:
    """The address with its path, without a slash at its end: what `/v1/call/…` is put behind.

    Raises:
        ValueError: It is no `http://` or `https://` URL of a host; the message says what to write.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _wrong(url, str(error)) from None
    problem = _problem(url, parts, port)
    if problem:
        raise _wrong(url, problem)
    return url.rstrip("/")


def _problem(url: str, parts: SplitResult, port: int | None) -> str:
    if parts.scheme not in ("http", "https"):
        return "it does not begin with http:// or https://"
    if not parts.hostname:
        return "it names no host"
    if port is not None and not 0 < port <= PORT_MAX:
        return f"its port is not between 1 and {PORT_MAX}"
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        return "it has a query or a fragment"
    if not url.isascii() or not url.isprintable() or " " in url:
        return "it has characters that an address cannot have"
    return ""


def _wrong(url: str, problem: str) -> ValueError:
    return ValueError(f"cannot connect to {url[:200]!a}: {problem}; write an address such as http://127.0.0.1:8700")
