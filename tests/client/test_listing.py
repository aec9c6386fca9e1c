import json

import pytest

from dragoman.client.listing import read_function, read_functions
from dragoman.core.fault import Unknown

ENTRY = {
    "name": "shop.add",
    "version": "",
    "description": "Add.",
    "timeout_s": 30.0,
    "streaming": True,
    "input": {"type": "object"},
    "output": {"type": "integer"},
}


def test_a_function_is_its_contract_and_its_timeout() -> None:
    listed = read_function(json.dumps(ENTRY).encode())
    assert (listed.contract.name, listed.contract.streaming, listed.timeout_s) == ("add", True, 30.0)


@pytest.mark.parametrize("timeout_s", [None, "x", 0, -1, True])
def test_a_timeout_that_is_none_is_unknown(timeout_s: object) -> None:
    assert read_function(json.dumps({**ENTRY, "timeout_s": timeout_s}).encode()).timeout_s is None


def test_functions_are_listed_by_full_name() -> None:
    page = json.dumps({"service": "s", "functions": [ENTRY, {**ENTRY, "name": "tool"}]}).encode()
    assert list(read_functions(page)) == ["shop.add", "tool"]


@pytest.mark.parametrize(
    "page", [b"", b"[]", b"{}", b'{"functions": {}}', b'{"functions": [1]}', b'{"functions": [{"name": "a b"}]}']
)
def test_what_is_no_list_may_be_no_host(page: bytes) -> None:
    with pytest.raises(Unknown, match="may be no Dragoman host") as fault:
        read_functions(page)
    assert fault.value.remote
