import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commandline import SHOP, dragoman

SOURCE = """
import time
def square(n: int) -> int: return n * n
def nap(s: float) -> float:
    time.sleep(s)
    return s
"""
PROJECT = """
[sources.work]
path = "work.py"
timeout = "1s"
cancel_grace = "100ms"
workers = { min = 2, max = 2 }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work.py").write_text(SOURCE)
    (tmp_path / "dragoman.toml").write_text(PROJECT)
    return tmp_path


def rehearse(folder: Path, text: str, *words: str) -> tuple[int, dict[str, Any]]:
    (folder / "drill.toml").write_text(text)
    done = dragoman("drill", "drill.toml", ".", "--json", *words, cwd=folder)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_bad_day_is_rehearsed_and_reported(folder: Path) -> None:
    status, report = rehearse(
        folder,
        """
        [[steps]]
        name = "calm"
        for = "300ms"
        calls = [{ function = "work.square", input = { n = 3 }, callers = 2, expect = { success = 1.0 } }]
        [[steps]]
        name = "killing"
        for = "1s"
        [[steps.calls]]
        function = "work.nap"
        input = { s = 0.005 }
        callers = 2
        expect = { codes = ["UNAVAILABLE", "DEADLINE_EXCEEDED"] }
        [steps.chaos."work.nap"]
        fault = 0.2
        [[steps.events]]
        after = "200ms"
        kill = "work"
        [[steps]]
        name = "after"
        for = "300ms"
        calls = [{ function = "work.nap", input = { s = 0.005 }, expect = { success = 1.0 } }]
        """,
    )
    calm, killing, after = (step["functions"][0] for step in report["steps"])
    assert calm["success"] == after["success"] == 1.0
    assert 0.3 < killing["success"] < 0.98
    assert killing["codes"]["UNAVAILABLE"] == killing["calls"] - round(killing["success"] * killing["calls"])
    assert killing["started"]["no"] >= killing["counts"]["chaos.fault"] > 5
    assert killing["counts"]["restarts"] >= 1
    assert report["steps"][1]["events"][0].startswith("killed worker ")
    assert (status, report["leaks"], report["failed"]) == (0, {}, [])


def test_the_exit_code_says_that_something_was_not_as_expected(folder: Path) -> None:
    status, report = rehearse(
        folder,
        """
        [[steps]]
        for = "200ms"
        calls = [{ function = "work.square", input = { n = "x" }, expect = { success = 0.5, codes = ["INTERNAL"] } }]
        """,
    )
    assert status == 1
    assert [each.split(" ")[0] for each in report["failed"]] == ["1,", "1,"]
    assert report["steps"][0]["functions"][0]["codes"].keys() == {"INVALID_ARGUMENT"}


def test_a_table_is_printed_for_people(folder: Path) -> None:
    (folder / "drill.toml").write_text(
        '[[steps]]\nfor = "100ms"\ncalls = [{ function = "work.square", input = { n = 1 } }]'
    )
    done = dragoman("drill", "drill.toml", cwd=folder)
    step, function, calls, success, *_ = done.stdout.decode().split("\t")
    assert (step, function, success) == ("1", "work.square", "100.00%")
    assert int(calls) > 5
    assert b"everything was as expected" in done.stderr


def test_a_running_host_is_called_and_nothing_else_is_done_to_it(tmp_path: Path, shop_url: str) -> None:
    file = tmp_path / "drill.toml"
    load = '[[steps]]\nfor = "200ms"\n[[steps.calls]]\nfunction = "shop.double"\ninput = { number = 2 }\ncallers = 2\n'
    file.write_text(load + "expect = { success = 1.0 }")
    done = dragoman("drill", file, "--url", shop_url, "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["failed"]) == (0, [])
    assert report["steps"][0]["functions"][0]["calls"] > 5
    file.write_text(load + '[steps.chaos."shop.double"]\nkill = 1.0')
    done = dragoman("drill", file, "--url", shop_url)
    assert done.returncode == 2
    assert b"without --url" in done.stderr


def test_what_is_wrong_with_a_rehearsal_is_told_before_it_begins(folder: Path) -> None:
    (folder / "drill.toml").write_text('[[steps]]\nfor = "1x"\n[[steps.calls]]\nfunction = "work.square"')
    done = dragoman("drill", "drill.toml", cwd=folder)
    assert done.returncode == 2
    assert b"drill.toml:2: steps[0].for: expected" in done.stderr
    (folder / "drill.toml").write_text('[[steps]]\n[[steps.calls]]\nfunction = "work.sqare"')
    done = dragoman("drill", "drill.toml", cwd=folder)
    assert done.returncode == 2
    assert b"did you mean work.square?" in done.stderr
    assert dragoman("drill", "none.toml", cwd=folder).returncode == 2


def test_one_source_is_hosted_as_well(tmp_path: Path) -> None:
    (tmp_path / "drill.toml").write_text(
        '[[steps]]\nfor = "100ms"\ncalls = [{ function = "shop.double", input = { number = 1 } }]'
    )
    assert dragoman("drill", tmp_path / "drill.toml", SHOP).returncode == 0
