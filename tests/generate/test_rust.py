"""Clients in Rust: generated, formatted, compiled, documented, and called."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.generate.conftest import REPOSITORY, Shop, generated, program, run

RUST = REPOSITORY / "sdk" / "rust"
MANIFEST = """[package]
name = "calls"
version = "0.1.0"
edition = "2021"

[lib]
name = "shop"
path = "src/shop/mod.rs"

[[bin]]
name = "calls"
path = "src/main.rs"

[dependencies]
dragoman = {{ path = "{sdk}" }}
serde = {{ version = "1", features = ["derive"] }}
"""


@pytest.mark.needs("cargo", "rustfmt")
@pytest.mark.timeout(400)  # the first build of a machine compiles the dependencies
def test_a_client_in_rust_calls_every_function(shop: Shop, tmp_path: Path) -> None:
    told = generated(shop, "rust", tmp_path / "src" / "shop")
    assert "Everything: mixed: it is one of several types" in told
    program(tmp_path / "src", "main.rs")
    (tmp_path / "Cargo.toml").write_text(MANIFEST.format(sdk=RUST))
    shutil.copy(RUST / "Cargo.lock", tmp_path)
    run(tmp_path, "rustfmt", "--check", "--edition=2021", "src/shop/mod.rs")
    # The folder that the crate's own tests use, so that the dependencies are compiled once.
    target = str(RUST / "target")
    # No line of a description is a test of the documentation.
    tested = run(tmp_path, "cargo", "test", "--quiet", "-j2", "--doc", CARGO_TARGET_DIR=target)
    assert "running 0 tests" in tested
    assert run(tmp_path, "cargo", "run", "--quiet", "-j2", "--", shop.native, CARGO_TARGET_DIR=target) == "done\n"
