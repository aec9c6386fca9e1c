from pathlib import Path

import pytest

from dragoman.config.load import parse_project
from dragoman.config.project import Project
from dragoman.host.difference import Difference, difference, own

STATS = '[sources.stats]\npath = "stats.py"\n'
OTHER = '[sources.other]\npath = "other.py"\n'
RUN = '[sources.run]\ncommand = ["true"]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("stats.py", "other.py"):
        (tmp_path / name).touch()
    return tmp_path


def project(folder: Path, text: str) -> Project:
    return parse_project(folder / "dragoman.toml", text.encode())


def found(folder: Path, before: str, after: str) -> Difference:
    old, new = project(folder, before), project(folder, after)
    names = ["stats.mean"] + (["run"] if "run" in old.sources else [])
    functions = [(name, old.settings(name.partition(".")[0], name)) for name in names]
    return difference(old, new, functions)


def test_a_file_that_says_the_same_elsewhere_changes_nothing(folder: Path) -> None:
    told = found(folder, STATS + "retry = 3", "# seen\n\n[defaults]\nretry = 3\n" + STATS)
    assert told.empty
    assert told.lines == []


def test_sources_come_and_go_and_are_reloaded_for_what_is_their_own(folder: Path) -> None:
    told = found(folder, STATS + RUN, STATS + "workers = 3\n" + OTHER)
    assert (told.started, told.retired, told.reloaded) == (("other",), ("run",), ("stats",))
    assert told.lines[:3] == [
        "other: started",
        "run: retired; its calls in flight finish",
        "stats: reloaded with its new settings",
    ]


@pytest.mark.parametrize("setting", ['timeout = "1s"', "idempotent = true", "retry = 5", 'priority = "critical"'])
def test_what_is_read_for_each_call_takes_no_other_workers(folder: Path, setting: str) -> None:
    old, new = project(folder, STATS), project(folder, STATS + setting)
    assert own(old.sources["stats"]) == own(new.sources["stats"])
    told = found(folder, STATS, STATS + setting)
    assert told.reloaded == ()
    assert told.functions


def test_what_an_executable_is_said_to_be_is_told_when_it_starts(folder: Path) -> None:
    assert found(folder, STATS + RUN, STATS + RUN + "idempotent = true").reloaded == ("run",)


def test_changes_of_single_settings_are_told_with_both_values(folder: Path) -> None:
    before = STATS + 'retry = 3\ntimeout = "5s"\nrate = "10/s"'
    after = STATS + 'retry = { attempts = 5, base = "10ms" }\ntimeout = "2s"\ncache = "1m"'
    lines = found(folder, before, after).functions
    assert "stats.mean: timeout: 5s -> 2s" in lines
    assert "stats.mean: retry.attempts: 3 -> 5" in lines
    assert "stats.mean: retry.base: 50ms -> 10ms" in lines
    assert "stats.mean: rate.limit: 10/s -> off" in lines
    assert "stats.mean: cache.ttl: off -> 1m" in lines


def test_what_only_a_restart_changes_is_said(folder: Path) -> None:
    after = (
        '[project]\nname = "b"\n[http]\nport = 1\n[native]\nlisten = ["unix:///tmp/x"]\n[shared]\nurl = "redis://h:1"\n'
    )
    told = found(folder, '[project]\nname = "a"\n' + STATS, after + STATS)
    assert told.restart == ("project.name", "http.port", "native.listen", "shared")
    assert told.lines[-1] == "shared: takes a restart, and stays as it was until then"
    changed = '[shared]\nurl = "redis://h:1"\ntimeout = "9ms"\n'
    assert found(folder, '[shared]\nurl = "redis://h:1"\n' + STATS, changed + STATS).restart == ("shared.timeout",)


def test_schedules_that_come_go_and_change_are_told(folder: Path) -> None:
    before = STATS + '[schedules.a]\nfunction = "stats.mean"\nevery = "1h"\n'
    after = STATS + '[schedules.b]\nfunction = "stats.mean"\ncron = "@daily"\nzone = "Europe/Berlin"\n'
    lines = found(folder, before, after).functions
    assert "schedules.a: stats.mean every 1h -> off" in lines
    assert "schedules.b: off -> stats.mean @daily Europe/Berlin" in lines
    assert "schedules.a: changed" in found(folder, before, before + "moment = 'at'").functions
    assert not found(folder, before, before).functions


def test_secrets_that_change_are_told_by_a_mark(folder: Path) -> None:
    old, new = ("whsec_" + each * 32 for each in "ab")
    (line,) = found(
        folder, STATS + f'[tasks]\ncallback_secret = "{old}"', STATS + f'[tasks]\ncallback_secret = "{new}"'
    ).functions
    assert line.startswith("tasks.callback_secret: 1 secret (")
    assert not any(each[6:] in line for each in (old, new))
