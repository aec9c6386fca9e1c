import sys
from pathlib import Path

import pytest

from tests.docs.snippets import SnippetFailed, Walkthrough, matches, split_console
from tools.pages import Page


def walk(folder: Path, text: str) -> int:
    with Walkthrough(Page(folder / "page.md", text), folder) as walkthrough:
        return walkthrough.run()


def test_files_commands_and_scripts_are_done_in_order(tmp_path: Path) -> None:
    text = """\
<!-- file: data/a.txt -->
```
one
```

<!-- run -->
```console
$ cat data/a.txt
one
$ echo first \\
    second
first …
```

<!-- run -->
```python
assert open("data/a.txt").read() == "one\\n"
```
"""
    assert walk(tmp_path, text) == 3


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("```console\n$ true\n```\n", "says not how it is checked"),
        ("<!-- run -->\n```console\n$ false\n```\n", "ended with 1"),
        ("<!-- fails -->\n```console\n$ true\n```\n", "ended with 0"),
        ("<!-- run -->\n```console\n$ echo a\nb\n```\n", "in place of"),
        ("<!-- run -->\n```python\nraise SystemExit(3)\n```\n", "ended with 3"),
        ("<!-- serve: / -->\n```console\n$ echo gone\n```\n", "never answered\ngone"),
    ],
)
def test_a_block_that_does_otherwise_is_named_with_its_line(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(SnippetFailed, match=why) as failure:
        walk(tmp_path, f"# Page\n\n{text}")
    assert str(failure.value).startswith("page.md:")


def test_a_skipped_block_and_a_block_of_output_are_left_alone(tmp_path: Path) -> None:
    assert walk(tmp_path, "<!-- skip: needs a network -->\n```console\n$ false\n```\n\n```json\n{}\n```\n") == 0


SERVER = """\
import http.server, signal, sys
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1].partition(":")[2])), http.server.SimpleHTTPRequestHandler)
signal.signal(signal.SIGTERM, lambda *_: sys.exit({status}))
server.serve_forever()
"""


@pytest.mark.parametrize("status", [0, 3])
def test_a_server_stays_up_for_the_rest_of_the_page_and_must_stop_cleanly(tmp_path: Path, status: int) -> None:
    (tmp_path / "server.py").write_text(SERVER.format(status=status))
    serve = f"<!-- serve: /server.py -->\n```console\n$ {sys.executable} server.py :8700\n```\n\n"
    script = 'import urllib.request\nurllib.request.urlopen("http://127.0.0.1:8700/server.py")\n'
    text = f"{serve}<!-- run -->\n```python\n{script}```\n"
    if status:
        with pytest.raises(SnippetFailed, match="ended with 3"):
            walk(tmp_path, text)
    else:
        assert walk(tmp_path, text) == 2


def test_a_console_block_is_commands_and_what_they_print() -> None:
    assert split_console("$ a \\\n  b\nx\ny\n$ c\n") == [("a \\\n  b", "x\ny\n"), ("c", "")]


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [("a…c", "abc\n", True), ("a\n…", "a\nb\nc\n", True), ("a.c", "abc", False), ("a", "a\nb", False)],
)
def test_an_ellipsis_stands_for_any_text(expected: str, printed: str, *, same: bool) -> None:
    assert matches(expected, printed) is same
