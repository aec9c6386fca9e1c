"""Which addresses may be connected to on behalf of whoever submitted a task.

A callback makes this host connect to where somebody else says. What only this host can reach, its own services, the
network around it, a cloud's metadata, must not be reached that way. So names are resolved here, every address of a name
is looked at, and the connection goes to an address that was looked at, by its number: a name that means something else
a moment later changes nothing.

Addresses are told apart by the registries of IANA for special purposes, written out: what `ipaddress` holds for global
has changed between versions of Python. Of IPv6, only 2000::/3 has ever been given to anybody.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

METADATA = "metadata service's"
"""What clouds tell their machines, keys among it. On most of them it is link-local."""
SPECIAL = tuple(
    (ip_network(network), kind)
    for network, kind in (
        ("100.100.100.200/32", METADATA),
        ("168.63.129.16/32", METADATA),
        ("192.0.0.192/32", METADATA),
        ("fd00:ec2::254/128", METADATA),
        ("fd20:ce::254/128", METADATA),
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "private"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "reserved"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "private"),
        ("198.51.100.0/24", "reserved"),
        ("203.0.113.0/24", "reserved"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("fc00::/7", "private"),
        ("fec0::/10", "private"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "reserved"),
        ("2002::/16", "reserved"),
        ("3fff::/20", "reserved"),
    )
)
PRIVATE = frozenset({"private", "loopback"})
"""What `callbacks_private` opens. The others are nowhere that a callback could be meant for."""
GLOBAL = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")
ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""Interface identifiers that stand for an IPv4 address (RFC 5214)."""
NAME = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?", re.ASCII)


def kind_of(address: Address) -> str:
    """What an address is: empty for one that anybody may have."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return "link-local"
        if (embedded := address.ipv4_mapped) is not None or (embedded := nat64(address)) is not None:
            return kind_of(embedded)
        if address not in GLOBAL and not any(address in network for network, _ in SPECIAL):
            return "reserved"
        if (int(address) >> 32) & 0xFFFF_FFFF in ISATAP:
            return "reserved"
    return next((kind for network, kind in SPECIAL if address in network), "")


def nat64(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a network's translator makes of it, if it does."""
    return IPv4Address(int(address) & 0xFFFF_FFFF) if address in NAT64 else None


def read_allowed(text: str) -> Network | str:
    """An entry of the list of what may be reached all the same: addresses, or a host's name. Raises `ValueError`."""
    try:
        return ip_network(text)
    except ValueError:
        if re.fullmatch(r"[0-9.]+(/.*)?|.*:.*", text) or NAME.fullmatch(text) is None:
            raise ValueError(
                f'expected addresses such as "10.1.0.0/16", or a host such as "hooks.internal" or "*.internal", '
                f"found {text[:80]!r}"
            ) from None
        return text.lower()


class Reach:
    """What may be reached: everything public, and what the project allows beside it."""

    def __init__(self, *, private: bool = False, allowed: Iterable[str] = ()) -> None:
        """`private` opens private and loopback addresses. `allowed` are as `read_allowed` has them."""
        self._private = private
        read = [read_allowed(each) for each in allowed]
        self._networks = [each for each in read if not isinstance(each, str)]
        self._names = frozenset(each for each in read if isinstance(each, str))

    def refusal(self, host: str, addresses: Sequence[str]) -> str:
        """Why a host with these addresses may not be connected to; empty where it may.

        One address that may not be is enough: nobody whose name is meant for the public has another one beside it.
        """
        if self._trusts(host.lower().rstrip(".")):
            return ""
        for text in addresses:
            kind = kind_of(ip_address(text))
            if kind and not self._opens(text, kind):
                what = "" if text == host else f"{host} is at "
                hint = "callbacks_private" if kind in PRIVATE else "callbacks_allow"
                article = "an" if kind[0] == "u" else "a"
                return f"{what}{text}, {article} {kind} address, where no callbacks go (see tasks.{hint})"
        return ""

    def _trusts(self, host: str) -> bool:
        below = [f"*.{host[at + 1 :]}" for at, letter in enumerate(host) if letter == "."]
        return not self._names.isdisjoint((host, *below))

    def _opens(self, text: str, kind: str) -> bool:
        return (self._private and kind in PRIVATE) or any(ip_address(text) in network for network in self._networks)
