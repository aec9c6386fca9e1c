"""`dragoman generate`, as its users run it."""

import json
from pathlib import Path

import pytest

from tests.cli.commandline import SHOP, dragoman


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_client_is_the_same_from_here_and_from_a_host_and_is_kept_where_nothing_differs(
    shop_url: str, tmp_path: Path
) -> None:
    made = dragoman("generate", SHOP, "--language", "python", "--out", tmp_path / "shop")
    assert (made.returncode, made.stdout) == (0, f"made {tmp_path}/shop/__init__.py\n".encode())
    kept = dragoman("generate", "--url", shop_url, "--language", "python", "--out", tmp_path / "shop")
    assert (kept.returncode, kept.stdout) == (0, f"kept {tmp_path}/shop/__init__.py\n".encode())


def test_check_writes_nothing_and_fails_where_a_file_differs(tmp_path: Path) -> None:
    command = ("generate", SHOP, "--language", "go", "--out", tmp_path)
    missing = dragoman(*command, "--check")
    assert missing.returncode == 1
    assert b"client.go is not what the contracts say; run dragoman generate without --check" in missing.stderr
    assert not names(tmp_path)
    assert dragoman(*command).returncode == 0
    assert dragoman(*command, "--check").returncode == 0
    with (tmp_path / "client.go").open("a") as file:
        file.write("// by hand\n")
    differs = dragoman(*command, "--check", "--json")
    assert (differs.returncode, json.loads(differs.stdout)["changed"]) == (1, ["client.go"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--language", "cobol", "--out", "x"), b"'cobol' is not one of"),
        (("--language", "go"), b"Missing option '--out'"),
        (("--language", "rust", "--out", "x", "--package", "y"), b"--package is for go and java"),
        (("--language", "java", "--out", "x", "--package", "a..b"), b"'a..b' is no name of a package in java"),
        (("--language", "python", "--out", "/dev/null"), b"--out: /dev/null"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[str, ...], said: bytes, tmp_path: Path) -> None:
    done = dragoman("generate", SHOP, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert not names(tmp_path)


def test_a_file_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "client.go").write_text("package mine\n")
    done = dragoman("generate", SHOP, "--language", "go", "--out", tmp_path)
    assert done.returncode == 2
    assert b"was not made by dragoman generate" in done.stderr
    assert (tmp_path / "client.go").read_text() == "package mine\n"


def test_a_source_that_cannot_start_leaves_everything_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import nothing_of_that_name\n")
    done = dragoman("generate", tmp_path / "bad.py", "--language", "go", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert b"bad cannot start: " in done.stderr
    assert not (tmp_path / "out").exists()
