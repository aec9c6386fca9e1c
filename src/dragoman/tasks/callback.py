"""Callbacks: where the end of a task is told, as whoever submits it writes them, and as they are stored.

`https://shop.example/hooks?for=reports` is a URL that is posted to, `queue:NAME` a queue of the project that is
published to. What is accepted here has the looks of one; whether it may be reached is another matter
(`dragoman.tasks.reach`).

A URL is taken apart once, by one rule that leaves nothing to guess about. Where two readers see two hosts in one text,
one of them is checked and the other is connected to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from dragoman.contract.codecs import json
from dragoman.core.terms import CALLBACK_CHARS_MAX

SHOWN_CHARS_MAX = 80

EXPECTED = 'expected a URL such as "https://shop.example/hooks", or "queue:NAME" for a queue of the project'
QUEUE = "queue:"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", re.ASCII)
URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9A-F:.]+\]|[A-Z0-9]([A-Z0-9._-]{0,252}[A-Z0-9.])?)"
    r"(:(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(/([A-Z0-9._~!$&'()*+,;=:@/-]|%[0-9A-F]{2})*)?)"
    r"(?P<query>(\?([A-Z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-F]{2})*)?)",
    re.ASCII | re.IGNORECASE,
)
AUTHORITY = re.compile(r"[A-Za-z]+://[^/?#]*@")
PORTS = {"http": 80, "https": 443}


class CallbackError(ValueError):
    """What is no callback; the message says why."""


@dataclass(frozen=True, slots=True)
class Url:
    """A URL: `host` in lower case and without brackets, `target` the path and the query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The host as a request names it, with its port where that is not the scheme's."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Whom it belongs to: what of it is told where its path and query are nobody's business."""
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        """The whole of it."""
        return f"{self.origin}{self.target}"


@dataclass(frozen=True, slots=True)
class Outlet:
    """A queue of the project; `correlation_id` tells whoever reads there which message is answered."""

    name: str
    correlation_id: str = ""

    @property
    def origin(self) -> str:
        """Itself."""
        return f"{QUEUE}{self.name}"

    def __str__(self) -> str:
        """As it is written."""
        return self.origin


Callback: TypeAlias = Url | Outlet


def parse(text: str) -> Callback:
    """Read a callback as people write it. Raises `CallbackError`."""
    if text.startswith(QUEUE):
        return Outlet(_name(text.removeprefix(QUEUE)))
    if len(text) > CALLBACK_CHARS_MAX:
        raise CallbackError(f"the callback has {len(text)} characters; at most {CALLBACK_CHARS_MAX} go")
    match = URL.fullmatch(text)
    if match is None:
        raise CallbackError(_why_not(text))
    scheme, host = match["scheme"].lower(), match["host"].lower().strip("[]")
    port = int(match["port"] or PORTS[scheme])
    if not 0 < port <= 65535:  # noqa: PLR2004 - the ports that there are
        raise CallbackError(f"there is no port {port}")
    return Url(scheme, host, port, (match["path"] or "/") + match["query"])


def _why_not(text: str) -> str:
    """What is wrong with a text. Passwords stay untold."""
    if AUTHORITY.match(text):
        return "a callback's URL must not hold a user or a password: callbacks are signed instead"
    if not text.lower().startswith(("http://", "https://")):
        scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]{0,20}:", text)
        found = f"{EXPECTED}, found "
        return found + (f"one that begins with {scheme[0]!r}" if scheme else f"{text[:SHOWN_CHARS_MAX]!a}")
    if "#" in text:
        return "a callback's URL must not hold a fragment (#…): it is never sent"
    if not text.isascii():
        return "a callback's URL is ASCII: write a host's name as xn--…, and other characters as %XX"
    return f"{EXPECTED}, found {text[:SHOWN_CHARS_MAX]!a}"


def dump(callback: Callback) -> bytes:
    """As it is kept with a task."""
    if isinstance(callback, Url):
        return json.encode({"url": str(callback)})
    marked = {"correlation_id": callback.correlation_id} if callback.correlation_id else {}
    return json.encode({"queue": callback.name, **marked})


def load(stored: bytes) -> Callback:
    """Read what `dump` wrote, or the text of a callback as a JSON string. Raises `CallbackError`."""
    try:
        value: Any = json.decode(stored)
    except ValueError:
        raise CallbackError(EXPECTED) from None
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        match fields:
            case {"queue": str(name), "correlation_id": str(mark)} if len(fields) == 2:  # noqa: PLR2004 - these
                return Outlet(_name(name), mark)
            case {"queue": str(name)} if len(fields) == 1:
                return Outlet(_name(name))
            case {"url": str(url)} if len(fields) == 1:
                value = url
            case _:
                value = None
    if not isinstance(value, str):
        raise CallbackError(EXPECTED)
    return parse(value)


def _name(text: str) -> str:
    """The name of a queue. Raises `CallbackError`."""
    if NAME.fullmatch(text) is None:
        raise CallbackError(f"{text[:SHOWN_CHARS_MAX]!a} is no name of a queue; {EXPECTED}")
    return text
