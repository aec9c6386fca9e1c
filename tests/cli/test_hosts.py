from pathlib import Path

import pytest

from dragoman.cli import hosts
from dragoman.cli.hosts import ask_running, urls
from dragoman.cli.outcome import Stop


def test_the_sockets_of_a_project_are_asked_or_the_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(_: str) -> list[Path]:
        return [Path("/run/dragoman/ab-17.sock")]

    monkeypatch.setattr(hosts, "hosts_of", found)
    assert urls([str(tmp_path)]) == [(17, "unix:///run/dragoman/ab-17.sock")]
    assert urls([], "unix:///run/other.sock") == [(0, "unix:///run/other.sock")]
    with pytest.raises(Stop, match="is no control socket"):
        urls([], "http://127.0.0.1:8700")


def test_without_a_host_there_is_nobody_to_ask(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="no host serves"):
        ask_running([str(tmp_path)], None, "apply")
