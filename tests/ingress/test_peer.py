import socket

import pytest

from dragoman.ingress.peer import address_of


@pytest.mark.parametrize(
    ("peername", "address"),
    [
        (("10.0.0.1", 4711), "10.0.0.1"),
        (("::1", 4711, 0, 0), "::1"),
        (("::ffff:10.0.0.1", 4711, 0, 0), "10.0.0.1"),
        (("::ffff:0:1", 4711, 0, 0), "::ffff:0:1"),
        ("", ""),
        (None, ""),
        ((), ""),
    ],
)
def test_one_client_has_one_address(peername: object, address: str) -> None:
    assert address_of(peername) == address


def test_a_port_of_both_families_shows_the_addresses_of_each() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no port of both families")
    with (
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server,
        socket.create_connection(("127.0.0.1", server.getsockname()[1])),
    ):
        accepted, peername = server.accept()
        accepted.close()
    assert address_of(peername) == "127.0.0.1"
