"""Names of contracts as names of a language: words in its own case, without its keywords, each once in its scope."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[A-Z][0-9]*|[0-9]+")
_PASCAL = re.compile(r"[A-Z][A-Za-z0-9]*")
_NAME_CHARACTERS_MAX = 80
"""Of a property's name; a name longer than a line helps nobody, and the wire's own is kept beside it."""

INITIALISMS = frozenset({"api", "cpu", "css", "dns", "html", "http", "https", "id", "ip", "json", "sql", "ssh", "tcp",
                         "tls", "ttl", "udp", "ui", "uri", "url", "utf8", "uuid", "vm", "xml"})  # fmt: skip
"""What Go writes in capitals, as its linters want it."""


def words(name: str) -> list[str]:
    """The words of a name, in ASCII: accents go, and what has no letters there goes too."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()[:_NAME_CHARACTERS_MAX]
    found: list[str] = _WORD.findall(plain)
    if not found:
        return ["value"]
    return ["x", *found] if found[0][0].isdigit() else found


def snake(name: str) -> str:
    """`unit_price`."""
    return "_".join(word.lower() for word in words(name))


def camel(name: str) -> str:
    """`unitPrice`."""
    first, *rest = words(name)
    return first.lower() + "".join(map(_capitalized, rest))


def pascal(name: str) -> str:
    """`UnitPrice`; what is written so already stays as it is."""
    if _PASCAL.fullmatch(name) and not name.isupper() and len(name) <= _NAME_CHARACTERS_MAX:
        return name
    return "".join(map(_capitalized, words(name)))


def exported(name: str) -> str:
    """`UnitPriceID`: as Go writes what others may see."""
    return "".join(word.upper() if word.lower() in INITIALISMS else _capitalized(word) for word in words(name))


def capitals(name: str) -> str:
    """`UNIT_PRICE`."""
    return snake(name).upper()


def _capitalized(word: str) -> str:
    return word[:1].upper() + word[1:].lower()


class Scope:
    """The names of one scope. Each is given once; `reserved` are those that the language or the client keeps."""

    def __init__(self, reserved: frozenset[str] = frozenset()) -> None:
        self._reserved = reserved
        self._taken: set[str] = set()

    def name(self, wanted: str, *others: str) -> str:
        """A free name: the wanted one, one of the others, or the wanted one with a mark or a number behind it."""
        for name in (wanted, *others):
            if name not in self._reserved and name not in self._taken:
                break
        else:
            # A second name for a keyword is the keyword with a mark, as most style guides have it.
            name, count = f"{wanted}_", 2
            if wanted not in self._reserved or name in self._taken:
                name = f"{wanted}{count}"
            while name in self._taken or name in self._reserved:
                count += 1
                name = f"{wanted}{count}"
        self._taken.add(name)
        return name

    def pair(self, wanted: str, prefix: str) -> str:
        """A name that is free with a prefix too; both are given."""
        name, count = wanted, 1
        while {name, f"{prefix}{name}"} & (self._taken | self._reserved):
            count += 1
            name = f"{wanted}{count}"
        self._taken |= {name, f"{prefix}{name}"}
        return name
