"""Names of advisory locks: they are a whole database's, so each is made of the schema and what it is for."""

from __future__ import annotations

from hashlib import blake2b


def lock_of(schema: str, what: str) -> tuple[int, int]:
    """The two numbers of a lock. Two that fall together only wait for one another without need."""
    digest = blake2b(f"dragoman {schema} {what}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest[:4], signed=True), int.from_bytes(digest[4:], signed=True)
