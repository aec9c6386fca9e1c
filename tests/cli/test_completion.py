import json
from pathlib import Path

import pytest

from tests.cli.commandline import SHOP, dragoman


def complete(line: str, cwd: Path) -> list[str]:
    words = line.split(" ")
    asked = {"_DRAGOMAN_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = dragoman(cwd=cwd, env=asked)
    return [row.partition(",")[2] for row in done.stdout.decode().splitlines()]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str) -> None:
    done = dragoman("completion", shell)
    assert done.returncode == 0
    assert b"_DRAGOMAN_COMPLETE" in done.stdout
    assert json.loads(dragoman("completion", shell, "--json").stdout)["script"]


def test_commands_options_and_functions_are_completed(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text(f'[sources.shop]\npath = "{SHOP}"\n')
    assert complete("dragoman se", tmp_path) == ["serve"]
    assert "--watch" in complete("dragoman serve --w", tmp_path)
    assert complete("dragoman call shop.a", tmp_path) == ["shop.add"]
    assert "shop.add" not in complete("dragoman bench nothing", tmp_path)
