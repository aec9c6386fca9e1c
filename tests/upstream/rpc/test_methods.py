from __future__ import annotations

import pytest

from dragoman.upstream.operation import SpecError
from dragoman.upstream.rpc.methods import methods_of
from tests.upstream.rpc.shops import SHOP, pool


def test_methods_are_called_by_their_own_names_where_they_can_be() -> None:
    both = methods_of(pool(), [SHOP, "acme.shop.v1.Other"])
    assert {method.contract.name: method.path for method in both.methods}["Other_Echo"] == "/acme.shop.v1.Other/Echo"
    alone = methods_of(pool(), [SHOP])
    assert "Echo" in {method.contract.name for method in alone.methods}


def test_their_kinds_are_those_of_the_proto() -> None:
    kinds = {
        method.contract.name: (method.takes_stream, method.gives_stream)
        for method in methods_of(pool(), [SHOP]).methods
    }
    assert (kinds["Ask"], kinds["Count"], kinds["Sum"], kinds["Double"]) == (
        *((False, False), (False, True), (True, False), (True, True)),
    )


def test_services_about_servers_are_left_out_and_unknown_ones_named() -> None:
    offered = methods_of(pool(), [SHOP, "grpc.health.v1.Health", "no.such.Service"])
    assert offered.left_out == (("no.such.Service", "it is not described"),)
    with pytest.raises(SpecError, match="no method"):
        methods_of(pool(), ["grpc.health.v1.Health"])
