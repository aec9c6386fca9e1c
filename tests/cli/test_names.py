from pathlib import Path

from dragoman.cli.names import known_functions, offered
from tests.cli.commandline import SHOP

PROJECT = """\
[sources.shop]
path = "{shop}"
[sources.tool]
command = ["true"]
"""


def test_functions_are_known_without_running_them(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text(PROJECT.format(shop=SHOP))
    names = known_functions(str(tmp_path))
    assert {"shop.add", "shop.forever", "tool"} <= set(names)
    assert names == sorted(names)


def test_only_what_would_be_offered_is_named(tmp_path: Path) -> None:
    file = tmp_path / "source.py"
    file.write_text(
        "raise SystemExit\n@function(name='x')\ndef marked(a): ...\ndef _hidden(a: int): ...\n"
        "async def plain(a: int, *rest: int, key: str): ...\ndef bare(a): ...\nclass C:\n    def method(self): ...\n"
    )
    assert offered(file) == ["marked", "plain"]


def test_what_cannot_be_read_has_no_names(tmp_path: Path) -> None:
    assert known_functions(str(tmp_path / "nothing")) == []
    (tmp_path / "bad.py").write_text("def f(")
    assert offered(tmp_path / "bad.py") == []
    assert offered(tmp_path / "missing.py") == []
