from __future__ import annotations

import os
from pathlib import Path

import pytest

from dragoman.core.clock import SystemClock
from dragoman.sandbox.spawning import SpawnerConfinement
from dragoman.upstream.operation import SpecError
from dragoman.upstream.rpc.protoc import files_of
from tests.upstream.rpc.shops import files


async def test_a_proto_is_read_with_its_imports_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more/inner.proto").write_text('syntax = "proto3"; package a; message M {}')
    (tmp_path / "outer.proto").write_text(
        'syntax = "proto3"; package a; import "more/inner.proto"; service S { rpc F(M) returns (M); }'
    )
    confinement = SpawnerConfinement()
    try:
        found = await files_of(tmp_path / "outer.proto", confinement, SystemClock())
        assert found.services() == ["a.S"]
        assert sorted(found.found) == ["more/inner.proto", "outer.proto"]
        (tmp_path / "outer.proto").write_text('syntax = "proto3"; message M { what }')
        with pytest.raises(SpecError, match=r"protoc refuses it.*outer.proto:1"):
            await files_of(tmp_path / "outer.proto", confinement, SystemClock())
    finally:
        await confinement.aclose()
    assert sorted(os.listdir(tmp_path)) == ["more", "outer.proto"]  # noqa: PTH208 - a look at a folder of the test's


async def test_a_descriptor_set_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "set.pb").write_bytes(files())
    assert "acme.shop.v1.Shop" in (await files_of(tmp_path / "set.pb", None, SystemClock())).services()
    with pytest.raises(SpecError, match="cannot be read"):
        await files_of(tmp_path / "none.pb", None, SystemClock())
