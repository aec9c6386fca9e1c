"""Contracts have names and versions that callers can write down."""

from __future__ import annotations

import pytest

from dragoman.contract.function import Contract, ContractError


@pytest.mark.parametrize("name", ["f", "_f", "tail-f", "F2_x"])
def test_a_plain_name_is_taken(name: str) -> None:
    assert Contract(name).name == name


@pytest.mark.parametrize("name", ["", "2f", "a.b", "größe", "a b", "f\n", "a/b", "x" * 129])
def test_a_name_that_a_url_or_label_could_not_hold_is_refused(name: str) -> None:
    with pytest.raises(ContractError, match="function's name"):
        Contract(name)


@pytest.mark.parametrize("version", ["", "0.0.0", "1.2.0", "1.0.0-alpha.1+build.5"])
def test_a_semantic_version_is_taken(version: str) -> None:
    assert Contract("f", version=version).version == version


@pytest.mark.parametrize("version", ["1", "1.2", "01.2.3", "v1.2.3", "1.2.3-", "1.2.3\n", "1.2.٣"])
def test_another_version_is_refused(version: str) -> None:
    with pytest.raises(ContractError, match="semantic version"):
        Contract("f", version=version)


def test_a_contract_takes_nothing_by_default() -> None:
    assert Contract("f").input == {"type": "object", "properties": {}, "additionalProperties": False}
