from __future__ import annotations

from dragoman.contract.function import Contract
from dragoman.upstream.operation import Body, Operation, Parameter


def test_an_input_is_the_body_where_nothing_else_is_asked_for() -> None:
    body = Body("application/json", "json")
    assert Operation(Contract("f"), "POST", "/", body=body).plain
    assert not Operation(Contract("f"), "POST", "/", (Parameter("a", "a", "query"),), body).plain
    assert not Operation(Contract("f"), "POST", "/", body=Body("text/plain", "text")).plain
    assert not Operation(Contract("f"), "POST", "/", body=Body("application/json", "json", "body")).plain
    assert not Operation(Contract("f"), "GET", "/").plain
