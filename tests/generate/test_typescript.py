"""Clients in TypeScript and JavaScript: generated, formatted, checked by the strictest compiler, and called."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dragoman.contract.function import Contract
from dragoman.generate import typescript
from dragoman.generate.surface import surface
from tests.generate.conftest import Shop, generated, node_modules, program, run


@pytest.mark.needs("node", "npm")
def test_clients_for_node_call_every_function(shop: Shop, tmp_path: Path) -> None:
    tools = node_modules(tmp_path)
    assert not generated(shop, "typescript", tmp_path / "typed" / "shop")
    assert not generated(shop, "node", tmp_path / "plain" / "shop")
    program(tmp_path / "typed", "main.mts", client="./shop/index.ts")
    program(tmp_path / "plain", "main.mts", client="./shop/index.mjs")
    run(tmp_path, tools / "prettier", "--check", "--print-width=100", "typed/shop", "plain/shop")
    run(tmp_path, tools / "tsc", "-p", ".")
    shutil.copytree(tmp_path / "plain" / "shop", tmp_path / "built" / "plain" / "shop")
    for built in ("typed", "plain"):
        assert run(tmp_path, "node", f"built/{built}/main.mjs", shop.native) == "done\n"


def test_a_description_is_shown_as_it_is_and_is_no_tag() -> None:
    text = typescript.render(surface("shop", {"f": Contract("f", description="@see me@x.org")}), "shop", "1")[
        "index.ts"
    ]
    assert "/** &#64;see me&#64;x.org */" in text
