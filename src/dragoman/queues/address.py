"""Where a broker is, without the secrets that its address holds, and what an address may say besides."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

FILES: Mapping[str, frozenset[str]] = {"cafile": frozenset(), "certfile": frozenset(), "keyfile": frozenset()}
QUERIES: Mapping[str, Mapping[str, frozenset[str]]] = {
    "kafka": {"mechanism": frozenset({"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}), **FILES},
    "mqtt": {"client": frozenset(), "shared": frozenset({"yes", "no"}), **FILES},
}
"""What stands behind the question mark, and which values it may have; none: any. By kind of broker."""


def address(url: str, port: int) -> str:
    """The hosts of a URL, each with its port; what else is in it may be a secret.

    Of several, each may be a URL of its own, as NATS has them: `nats://one,nats://two`.
    """
    scheme = f"{url.partition('://')[0]}://"
    netlocs = [urlsplit(f"{scheme}{each}").netloc for each in url.removeprefix(scheme).split(f",{scheme}")]
    hosts = ",".join(netloc.rpartition("@")[2] or "localhost" for netloc in netlocs)
    return ",".join(host if has_port(host) else f"{host}:{port}" for host in hosts.split(","))


def has_port(host: str) -> bool:
    """Whether a host has its port with it; an IPv6 address stands in brackets."""
    return ":" in host.rpartition("]")[2]


def asked(url: str, kind: str) -> dict[str, str]:
    """What a URL says behind its question mark. Raises `ValueError` for what nobody knows, by its name."""
    known = QUERIES.get(kind)
    if known is None:
        return {}
    query = {name: values[-1] for name, values in parse_qs(urlsplit(url).query, keep_blank_values=True).items()}
    for name, value in query.items():
        if name not in known:
            raise ValueError(f"the address has {name[:50]!r} behind its ?; {kind} knows {', '.join(known)}")
        if not value or (known[name] and value not in known[name]):
            expected = " or ".join(sorted(known[name])) or "a value"
            raise ValueError(f"the address has {name}={value[:50]!r}; expected {expected}")
    return query


def tls_of(query: Mapping[str, str]) -> ssl.SSLContext:
    """A context with the files that a URL names. Raises `OSError` where they cannot be used."""
    context = ssl.create_default_context(cafile=query.get("cafile"))
    if "certfile" in query:
        context.load_cert_chain(query["certfile"], query.get("keyfile"))
    return context
