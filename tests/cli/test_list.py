import json
from pathlib import Path

from tests.cli.commandline import SHOP, dragoman


def test_functions_are_listed_the_same_from_here_and_from_a_host(shop_url: str) -> None:
    here, there = dragoman("list", SHOP), dragoman("list", "--url", shop_url)
    assert here.returncode == there.returncode == 0
    assert here.stdout == there.stdout
    assert b"shop.add(a: integer, b: integer = 1) -> integer\tpython\twarm\tAdd two numbers.\n" in here.stdout


def test_json_has_the_contracts(shop_url: str) -> None:
    here = json.loads(dragoman("list", SHOP, "--json").stdout)
    there = json.loads(dragoman("list", "--json", "--url", shop_url).stdout)
    assert here == there
    assert here["functions"][0]["input"]["required"] == ["a"]
    assert here["faults"] == {}


def test_a_source_that_cannot_start_is_named_and_the_exit_code_is_one(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import nothing_of_that_name\n")
    (tmp_path / "good.py").write_text("def f(a: int) -> int:\n    return a\n")
    done = dragoman("list", tmp_path / "bad.py", tmp_path / "good.py")
    assert (done.returncode, done.stdout) == (1, b"good.f(a: integer) -> integer\tpython\twarm\t\n")
    assert done.stderr.startswith(b"bad cannot start: ")


def test_a_host_that_is_not_there_is_unavailable() -> None:
    done = dragoman("list", "--url", "http://127.0.0.1:1")
    assert done.returncode == 78
    assert b"cannot connect" in done.stderr
