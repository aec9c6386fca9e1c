from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.tasks.reach import Reach, kind_of, read_allowed


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("93.184.216.34", ""),
        ("2606:2800:220:1::1", ""),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("172.32.0.1", ""),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("100.128.0.1", ""),
        ("169.254.169.254", "link-local"),
        ("100.100.100.200", "metadata service's"),
        ("168.63.129.16", "metadata service's"),
        ("fd00:ec2::254", "metadata service's"),
        ("192.0.0.8", "reserved"),
        ("198.19.255.255", "private"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("fc00::1", "private"),
        ("fd12::1", "private"),
        ("fec0::1", "private"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("2606:2800:220:1::1%eth0", "link-local"),
        ("ff02::1", "multicast"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:10.0.0.1", "private"),
        ("::ffff:93.184.216.34", ""),
        ("::127.0.0.1", "reserved"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::a00:1", "private"),
        ("64:ff9b::5db8:d822", ""),
        ("64:ff9b:1::a00:1", "reserved"),
        ("2002:7f00:1::", "reserved"),
        ("2002:5db8:d822::1", "reserved"),
        ("2001:0:5ef5:79fd::1", "reserved"),
        ("2001:db8::1", "reserved"),
        ("2606:2800:220:1::5efe:a00:1", "reserved"),
        ("4000::1", "reserved"),
        ("100::1", "reserved"),
    ],
)
def test_what_an_address_is(address: str, kind: str) -> None:
    assert kind_of(ip_address(address)) == kind


@settings(max_examples=2000)
@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_no_version_of_python_knows_a_private_address_that_is_let_through(address: IPv4Address) -> None:
    special = (address.is_private, address.is_loopback, address.is_link_local, address.is_multicast)
    if any(special) or address.is_unspecified or address.is_reserved:
        assert kind_of(address) != ""


@settings(max_examples=2000)
@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_an_address_within_another_is_no_way_around(address: IPv4Address) -> None:
    number, kind = int(address), kind_of(address)
    for prefix in (0xFFFF << 32, 0x0064_FF9B << 96):
        assert kind_of(IPv6Address(prefix | number)) == kind
    assert kind_of(IPv6Address(0x2002 << 112 | number << 80)) == "reserved"
    assert kind_of(IPv6Address(number)) in ("reserved", "loopback", "unspecified")


@settings(max_examples=2000)
@given(
    st.integers(0, 2**128 - 1).map(IPv6Address) | st.integers(0, 2**125 - 1).map(lambda n: IPv6Address(1 << 125 | n))
)
def test_no_special_ipv6_address_is_let_through(address: IPv6Address) -> None:
    special = (address.is_private, address.is_loopback, address.is_link_local, address.is_multicast)
    if any(special) or address.is_unspecified or address.is_reserved or address.is_site_local:
        assert kind_of(address) != ""


def test_the_public_is_reached_and_nothing_else() -> None:
    reach = Reach()
    assert reach.refusal("shop.example", ["93.184.216.34"]) == ""
    assert reach.refusal("127.0.0.1", ["127.0.0.1"]) == (
        "127.0.0.1, a loopback address, where no callbacks go (see tasks.callbacks_private)"
    )
    assert reach.refusal("inside.example", ["10.0.0.1"]).startswith("inside.example is at 10.0.0.1, a private address")


def test_one_private_address_among_public_ones_is_enough() -> None:
    assert "a loopback address" in Reach().refusal("shop.example", ["93.184.216.34", "::1"])


def test_private_opens_the_private_and_no_more() -> None:
    reach = Reach(private=True)
    for address in ("127.0.0.1", "10.0.0.1", "::1", "fd12::1", "::ffff:10.0.0.1"):
        assert reach.refusal("a", [address]) == ""
    for address in ("169.254.169.254", "0.0.0.0", "224.0.0.1", "fd00:ec2::254", "fe80::1", "100.100.100.200"):
        assert "tasks.callbacks_allow" in reach.refusal("a", [address])


def test_addresses_and_hosts_can_be_allowed() -> None:
    reach = Reach(allowed=["10.1.0.0/16", "hooks.internal", "*.corp.example", "fd12::/32"])
    assert reach.refusal("a", ["10.1.2.3", "fd12::1"]) == ""
    assert reach.refusal("a", ["10.2.0.1"]) != ""
    assert reach.refusal("Hooks.Internal.", ["127.0.0.1"]) == ""
    assert reach.refusal("x.y.corp.example", ["10.9.9.9"]) == ""
    assert reach.refusal("corp.example", ["10.9.9.9"]) != ""
    assert reach.refusal("evilcorp.example", ["10.9.9.9"]) != ""


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "10.0.0.0/33", "1.2.3", "http://a", "a b", "*", "a/8", "::1/129"])
def test_what_cannot_be_allowed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected addresses such as"):
        read_allowed(text)
