"""A manifest is written plainly, and read with suspicion."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.contract.function import Contract
from dragoman.contract.manifest import FUNCTIONS_MAX, SCHEMA_BYTES_MAX, from_wire, to_wire

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,20}", fullmatch=True)
CONTRACTS = st.lists(
    st.builds(
        Contract,
        name=NAMES,
        version=st.sampled_from(["", "1.2.0", "0.1.0-rc.1+b5"]),
        description=st.text(max_size=50),
        output=st.sampled_from([{}, {"type": "integer"}]),
        streaming=st.booleans(),
        idempotent=st.booleans(),
        raw_input=st.booleans(),
        raw_output=st.booleans(),
    ),
    unique_by=lambda contract: contract.name,
    max_size=5,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "input", "version"]), inner),
    max_leaves=10,
)


@given(CONTRACTS)
def test_what_is_written_reads_back_the_same(contracts: list[Contract]) -> None:
    assert from_wire(to_wire(contracts)) == tuple(contracts)


@given(JSON)
def test_any_json_is_a_manifest_or_a_value_error(manifest: object) -> None:
    with suppress(ValueError):
        from_wire(manifest)


def test_unknown_keys_are_for_a_newer_host() -> None:
    assert from_wire([{"name": "f", "colour": "red"}]) == (Contract("f"),)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ({}, "must be a list"),
        (["f"], "function 0 .* must be an object"),
        ([{}], "cannot be a function's name"),
        ([{"name": 5}], "'name' must be text"),
        ([{"name": "a.b"}], "cannot be a function's name"),
        ([{"name": "a" * 200}], "cannot be a function's name"),
        ([{"name": "f\n"}], "cannot be a function's name"),
        ([{"name": "f"}, {"name": "f"}], "'f' twice"),
        ([{"name": "f", "version": "1"}], "semantic version"),
        ([{"name": "f", "streaming": 1}], "'streaming' must be true or false"),
        ([{"name": "f", "input": True}], "'input' must be a JSON Schema object"),
        ([{"name": "f", "input": {"type": "array"}}], "schema of an object"),
        ([{"name": "f", "input": {"properties": []}}], "'properties' that are no object"),
        ([{"name": "f", "input": {"properties": {"a": "text"}}}], "'properties': 'a' is no schema"),
        ([{"name": "f", "output": {"$defs": {"a": None}}}], "'\\$defs': 'a' is no schema"),
        ([{"name": "f", "input": {"required": "a"}}], "'required' that is no list of names"),
        ([{"name": "f", "input": {"required": [1]}}], "'required' that is no list of names"),
        ([{"name": "f", "output": {"x": float("nan")}}], "'output' is no JSON"),
        ([{"name": "f", "description": "x" * 100_000}], "'description' has"),
        ([{"name": "f", "output": {"x": "y" * SCHEMA_BYTES_MAX}}], "'output' is"),
        ([{"name": f"f{n}"} for n in range(FUNCTIONS_MAX + 1)], "split the source"),
    ],
)
def test_a_bad_manifest_is_refused_with_entry_and_key(manifest: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_wire(manifest)
