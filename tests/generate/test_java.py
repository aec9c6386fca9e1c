"""Clients in Java: generated, compiled without a warning, and called."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.contract.function import Contract
from dragoman.generate import java
from dragoman.generate.surface import surface
from tests.generate.conftest import REPOSITORY, Shop, generated, program, run


@pytest.mark.needs("javac")
def test_a_client_in_java_calls_every_function(shop: Shop, tmp_path: Path) -> None:
    told = generated(shop, "java", tmp_path, "--package", "org.acme.shop")
    assert "Level: a choice of integers is any integer here" in told
    sdk, built = REPOSITORY / "sdk" / "java" / "src" / "main" / "java", tmp_path / "built"
    program(tmp_path, "Main.java")
    library = sorted(sdk.rglob("*.java"))
    run(tmp_path, "javac", "-nowarn", "-XDignore.symbol.file", "-d", built, *library)
    warned = ("-Xlint:all,-options", "-Werror", "--release", "17")
    run(tmp_path, "javac", *warned, "-cp", built, "-sourcepath", tmp_path, "-d", built, "Main.java")
    assert run(tmp_path, "java", "-cp", built, "Main", shop.native) == "done\n"


@pytest.mark.needs("javac")
def test_what_is_written_is_laid_out_as_it_should_be(shop: Shop, tmp_path: Path) -> None:
    generated(shop, "java", tmp_path)
    lines = (tmp_path / "shop" / "ShopClient.java").read_text("utf-8").splitlines()
    assert not [line for line in lines if line != line.rstrip() or "\t" in line]
    depth = 0
    for line in lines:
        bare = line.strip()
        if not bare or bare.startswith(("*", "/*", "//")):
            continue
        depth -= bare[0] in "})"
        assert len(line) - len(bare) == 4 * depth, line
        depth += bare[-1] in "{("


@pytest.mark.parametrize("said", ["@see <b>", "Calls through @see <b>"])
def test_a_description_is_neither_a_tag_nor_markup(said: str) -> None:
    (text,) = java.render(surface("shop", {"f": Contract("f", description=said)}), "shop", "1").values()
    assert "&#64;see &lt;b>" in text
    assert "@see" not in text
    assert "{@code DragomanClient}" in text
