import subprocess
import sys
from pathlib import Path

import pytest

from tools.homes import parse_homes

ROOT = Path(__file__).parents[2]
CONTRACT = """\
[importlinter]
root_package = pkg
include_external_packages = True
contract_types =
    homes: tools.homes.HomesContract

[importlinter:contract:homes]
name = homes
type = homes
homes =
    click: pkg.cli
broken_contract_guidance = Give it a home.
"""


def lint(folder: Path, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    (folder / ".importlinter").write_text(CONTRACT)
    for place, text in {"pkg/__init__.py": "", "pkg/cli/__init__.py": "", **files}.items():
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_text(text)
    program = str(Path(sys.executable).with_name("lint-imports"))
    environment = {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(
        [program, "--no-cache", "--no-logo"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_package_imported_at_home_passes(tmp_path: Path) -> None:
    done = lint(tmp_path, {"pkg/cli/entry.py": "import click\nimport json\n"})
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("line", "place"),
    [("import click", "its home is pkg.cli"), ("from msgspec import json", "it has no home in .importlinter")],
)
def test_a_stray_import_is_named_with_its_line_and_home(tmp_path: Path, line: str, place: str) -> None:
    done = lint(tmp_path, {"pkg/stray.py": f"import json\n{line}\n"})
    assert done.returncode == 1
    assert f"pkg.stray:2 imports {line.split()[1]}: {place}" in " ".join(done.stdout.split())
    assert "Give it a home." in done.stdout


def test_a_table_is_read_line_by_line() -> None:
    assert parse_homes(["click: pkg.cli", " rich :pkg.cli "]) == {"click": "pkg.cli", "rich": "pkg.cli"}
