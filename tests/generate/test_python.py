"""Clients in Python: generated, formatted, and called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.generate.conftest import Shop, generated, program, run


def test_a_client_in_python_calls_every_function(shop: Shop, tmp_path: Path) -> None:
    told = generated(shop, "python", tmp_path / "shop")
    assert "Worse: it has properties that cannot be named here" in told
    program(tmp_path, "main.py")
    assert run(tmp_path, sys.executable, "main.py", shop.native, shop.http) == "done\n"


def test_the_types_of_a_client_are_complete(shop: Shop, tmp_path: Path) -> None:
    generated(shop, "python", tmp_path / "shop")
    (tmp_path / "use.py").write_text(
        "import dragoman\nimport shop\n"
        "calls = shop.ShopClient(dragoman.connect('http://x')).shop\n"
        "ok: int = calls.double(number=1)\nbad: str = calls.double(number=1)\ncalls.area(shape=shop.Node(value=1))\n"
    )
    pyright = Path(sys.executable).parent / "pyright"
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict", "venvPath": ".", "ignore": []}')
    done = subprocess.run(
        [pyright, "--pythonpath", sys.executable, "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    errors = [line.strip() for line in done.stdout.splitlines() if " - error: " in line]
    assert [line.partition("use.py:")[2].partition(":")[0] for line in errors] == ["5", "6"], done.stdout
