"""Clients in Go: generated, formatted, vetted, and called."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.generate.conftest import REPOSITORY, Shop, generated, program, run

MODULE = """module calls

go 1.23

require github.com/dragoman/dragoman/sdk/go v0.0.0

replace github.com/dragoman/dragoman/sdk/go => {sdk}
"""


@pytest.mark.needs("go", "gofmt")
def test_a_client_in_go_calls_every_function(shop: Shop, tmp_path: Path) -> None:
    told = generated(shop, "go", tmp_path / "shop")
    assert "Everything: pair: it is a tuple of several types" in told
    assert "Worse: it has properties that cannot be named here" in told
    generated(shop, "go", tmp_path / "wide", "--big-integers")
    (tmp_path / "go.mod").write_text(MODULE.format(sdk=REPOSITORY / "sdk" / "go"))
    program(tmp_path, "main.go")
    assert not run(tmp_path, "gofmt", "-l", "shop", "wide")
    run(tmp_path, "go", "vet", "-p=2", ".", "./shop", "./wide")
    run(tmp_path, "go", "build", "-p=2", "-o", "calls", ".")
    assert run(tmp_path, tmp_path / "calls", shop.native) == "done\n"
