"""Where the server is, what is ours in it, and how much of a host's time it may take."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

SCHEMES = frozenset({"postgres", "postgresql"})
SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,47}")
"""As SQL writes it without quotes; short enough for what is named after it."""
OURS = frozenset({"schema", "connections"})
CONNECTIONS_MAX = 64
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PostgresOptions:
    """How a host uses a server.

    `dsn` is the address as asyncpg reads it (with `sslmode` and the like); all that is ours is in `schema`. At most
    `connections` are open at a time, besides the one that listens. One that is not there is waited for `patience_s`
    seconds, and made within `connect_s`; pauses between tries grow from `pause_s` to `pause_s_max`. A statement has
    `timeout_s` seconds, and one more for each `bytes_per_s` that it carries. At most `waiting_max` operations wait for
    their turn. Every `look_s` the connection that listens is tried, and what was missed is looked up.
    """

    dsn: str
    schema: str = "dragoman"
    connections: int = 8
    patience_s: float = 2.0
    connect_s: float = 5.0
    pause_s: float = 0.05
    pause_s_max: float = 2.0
    timeout_s: float = 5.0
    bytes_per_s: float = 4.0 * MIB
    waiting_max: int = 20_000
    look_s: float = 5.0

    @property
    def channel(self) -> str:
        """Where hosts tell one another what has changed: channels are a database's, not a schema's."""
        return f"dragoman_{self.schema}"

    @property
    def address(self) -> str:
        """Where the server is, without secrets."""
        parts = urlsplit(self.dsn)
        place = parts.netloc.rpartition("@")[2] or dict(parse_qsl(parts.query)).get("host", "localhost")
        return f"{place}{parts.path}"


def read(url: str) -> PostgresOptions:
    """The options of a URL. Raises `ValueError` for one that cannot be one, saying which part, without secrets."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError(f"expected postgres://…, not {parts.scheme[:40]!r}")
    given = parse_qsl(parts.query, keep_blank_values=True)
    ours = {name: value for name, value in given if name in OURS}
    schema = ours.get("schema", "dragoman")
    if not SCHEMA.fullmatch(schema) or schema.startswith("pg_"):
        raise ValueError(
            f"a schema's name is lower-case letters, digits and underscores, 48 at most, and does not begin with pg_ "
            f"or a digit: {schema[:60]!r} is none"
        )
    dsn = urlunsplit(parts._replace(query=urlencode([pair for pair in given if pair[0] not in OURS], quote_via=quote)))
    return PostgresOptions(dsn, schema, connections=_connections(ours.get("connections", "8")))


def _connections(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= CONNECTIONS_MAX):
        raise ValueError(f"connections is a number from 1 to {CONNECTIONS_MAX}, not {text[:40]!r}")
    return int(text)
