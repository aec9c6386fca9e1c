import json
from pathlib import Path

import pytest

from tests.cli.commandline import dragoman
from tests.cli.test_task import project, shop, task


def test_the_id_is_all_that_is_printed(tmp_path: Path) -> None:
    with shop(tmp_path) as ready:
        done = dragoman("task", "submit", "shop.add", '{"a": 1}', "--b", "2", "--delay", "1h", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, b"")
        id_ = done.stdout.decode().strip()
        assert json.loads(task(tmp_path, "show", id_, "--json"))["state"] == "SCHEDULED"
        words = ("submit", "shop.add", "--a", "1", "--key", "k", "--priority", "batch", "--json", "--url", ready["url"])
        first, second = (json.loads(task(Path("/"), *words)) for _ in range(2))
        assert first["id"] == second["id"]
        assert first["priority"] == "batch"


def test_raw_bytes_are_submitted_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"\xff\x00" * 1000)
    with shop(tmp_path) as ready:
        for where in ((), ("--url", ready["url"])):
            assert task(tmp_path, "submit", "shop.size", "@blob", "--raw", "--wait", *where) == "2000\n"


def test_the_end_may_be_waited_for(tmp_path: Path) -> None:
    with shop(tmp_path) as ready:
        assert task(tmp_path, "submit", "shop.add", "--a", "1", "--wait", "--json") == "1\n"
        assert task(tmp_path, "submit", "shop.add", "--a", "1", "--wait", "--url", ready["url"]) == "1\n"
        done = dragoman("task", "submit", "shop.refuses", "--wait", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (73, b"")
        assert b"FAILED_PRECONDITION (it ran)\n  no paper" in done.stderr
        done = dragoman("task", "submit", "shop.away", "--wait", "--json", cwd=tmp_path)
        assert (done.returncode, json.loads(done.stdout)["code"]) == (78, "UNAVAILABLE")


def test_what_is_wrong_is_said_and_not_stored(tmp_path: Path) -> None:
    with shop(tmp_path):
        assert "/a: is required but missing" in task(tmp_path, "submit", "shop.add", status=67)
        assert "there is no function 'shop.nowhere'" in task(tmp_path, "submit", "shop.nowhere", status=69)
        done = dragoman("task", "submit", "shop.add", '{"a": "x"}', "--json", cwd=tmp_path)
        assert (done.returncode, json.loads(done.stdout)["errors"][0]["path"]) == (67, "/a")
        assert "expected" in task(tmp_path, "submit", "shop.add", "{}", "--delay", "soon", status=2)
        assert "a callback is" in task(tmp_path, "submit", "shop.add", '{"a": 1}', "--callback", "", status=2)
        assert "expected a URL" in task(tmp_path, "submit", "shop.add", '{"a": 1}', "--callback", "ftp://x", status=67)
        assert json.loads(task(tmp_path, "list", "--json")) == {"tasks": []}


@pytest.mark.parametrize("words", [("--a", "4"), ('{"a": 4}',)])
def test_without_a_host_it_is_stored_for_the_next(tmp_path: Path, words: tuple[str, ...]) -> None:
    project(tmp_path)
    assert "/a: is required but missing" in task(tmp_path, "submit", "shop.add", status=67)
    done = dragoman("task", "submit", "shop.add", *words, cwd=tmp_path)
    id_ = done.stdout.decode().strip()
    assert b"no host serves this project now" in done.stderr
    assert "--wait would wait for ever" in task(tmp_path, "submit", "shop.add", *words, "--wait", status=2)
    with shop(tmp_path):
        assert task(tmp_path, "watch", id_) == "4\n"
